#include "picture.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GREY = 114, MOST_SIDE = 1 << 14, ONE = 2048 };

/* Returns the next number of the header, or 0 where there is none from 1 to MOST_SIDE. */
static int header_number(FILE *file) {
    int number = 0, next;
    do {
        next = fgetc(file);
        if (next == '#') /* a comment, up to the end of its line */
            while (next != '\n' && next != EOF) next = fgetc(file);
    } while (isspace(next));
    ungetc(next, file);
    int is_number = fscanf(file, "%5d", &number) == 1 && number >= 1 && number <= MOST_SIDE;
    return is_number ? number : 0;
}

const char *read_ppm(const char *name, Picture *picture) {
    FILE *file = fopen(name, "rb");
    if (file == NULL) return "the picture cannot be opened";
    int is_ppm = fgetc(file) == 'P' && fgetc(file) == '6';
    picture->width = header_number(file);
    picture->height = header_number(file);
    int most = header_number(file);
    is_ppm = is_ppm && picture->width && picture->height && most == 255 && isspace(fgetc(file));
    size_t size = (size_t)picture->width * (size_t)picture->height * 3;
    picture->rgb = is_ppm ? malloc(size) : NULL;
    int is_whole = picture->rgb != NULL && fread(picture->rgb, 1, size, file) == size;
    fclose(file);
    if (!is_ppm) return "the picture is no binary PPM of eight bits (P6), sides up to 16384";
    if (picture->rgb == NULL) return "the picture does not fit into memory";
    return is_whole ? NULL : "the picture is cut short";
}

static Span placed(int size, int other_size, int canvas, int other_canvas) {
    int64_t fitted = canvas;
    if ((int64_t)other_canvas * size <= (int64_t)canvas * other_size)
        fitted = (2LL * size * other_canvas + other_size) / (2LL * other_size);
    if (fitted < 1) fitted = 1;
    return (Span){(canvas - (int)fitted) / 2, (int)fitted, size, canvas};
}

void place(const Picture *picture, int width, int height, Span *across, Span *down) {
    *across = placed(picture->width, picture->height, width, height);
    *down = placed(picture->height, picture->width, height, width);
}

static double clipped(double value, double most) {
    return value < 0 ? 0 : value > most ? most : value;
}

/* Where the centre of a canvas pixel is, counted from the centre of the picture's first. */
static float source(Span span, int at) {
    double centre = (at + 0.5) * span.picture_size / span.size - 0.5;
    return (float)clipped(centre, span.picture_size - 1);
}

/* Weights are whole numbers of 2048ths, and sums lose their last bits where OpenCV's do. */
static int mix(int first, int second, int weight) { return first * (ONE - weight) + second * weight; }
static int share(int sum, int weight) { return (sum >> 4) * weight >> 16; }

static uint8_t bilinear(const Picture *picture, float x, float y, int channel) {
    int left = (int)x, top = (int)y;
    int right = left + (left + 1 < picture->width), bottom = top + (top + 1 < picture->height);
    int across = (int)((x - (float)left) * ONE + 0.5F), down = (int)((y - (float)top) * ONE + 0.5F);
    const uint8_t *upper = picture->rgb + (size_t)top * (size_t)picture->width * 3 + channel;
    const uint8_t *lower = picture->rgb + (size_t)bottom * (size_t)picture->width * 3 + channel;
    int above = mix(upper[3 * left], upper[3 * right], across);
    int below = mix(lower[3 * left], lower[3 * right], across);
    return (uint8_t)((share(above, ONE - down) + share(below, down) + 2) >> 2);
}

void letterbox(const Picture *picture, Span across, Span down, uint8_t *bgr) {
    memset(bgr, GREY, (size_t)across.canvas_size * (size_t)down.canvas_size * 3);
    for (int y = 0; y < down.size; y++) {
        uint8_t *to = bgr + ((size_t)(down.start + y) * (size_t)across.canvas_size
                             + (size_t)across.start) * 3;
        for (int x = 0; x < across.size; x++)
            for (int channel = 2; channel >= 0; channel--)
                *to++ = bilinear(picture, source(across, x), source(down, y), channel);
    }
}

double to_picture(Span span, double side) {
    double on_canvas = side * span.canvas_size - span.start;
    return clipped(on_canvas * span.picture_size / span.size, span.picture_size);
}
