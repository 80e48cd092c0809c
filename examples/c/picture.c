#include "picture.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GREY = 114, MOST_SIDE = 1 << 14, ONE = 256 };

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

/* The two pixels of the picture that a pixel of the canvas lies between, and the second's weight. */
typedef struct {
    int first, second, weight;
} Between;

/* Weights are whole 256ths, a half rounded to the even one. The step is the inverse of the scale, as
   OpenCV has it. To be compiled with -ffp-contract=off: a product fused with the difference rounds
   some halves the other way. */
static Between between(Span span, int at) {
    double step = 1 / ((double)span.size / span.picture_size), last = span.picture_size - 1;
    double centre = (at + 0.5) * step - 0.5, before = floor(centre);
    return (Between){(int)clipped(before, last), (int)clipped(before + 1, last),
                     (int)nearbyint((centre - before) * ONE)};
}

static int mix(int first, int second, int weight) { return first * (ONE - weight) + second * weight; }

static uint8_t bilinear(const Picture *picture, Between x, Between y, int channel) {
    size_t row_bytes = (size_t)picture->width * 3;
    const uint8_t *upper = picture->rgb + (size_t)y.first * row_bytes + channel;
    const uint8_t *lower = picture->rgb + (size_t)y.second * row_bytes + channel;
    int above = mix(upper[3 * x.first], upper[3 * x.second], x.weight);
    int below = mix(lower[3 * x.first], lower[3 * x.second], x.weight);
    return (uint8_t)((mix(above, below, y.weight) + ONE * ONE / 2) >> 16);
}

void letterbox(const Picture *picture, Span across, Span down, uint8_t *bgr) {
    memset(bgr, GREY, (size_t)across.canvas_size * (size_t)down.canvas_size * 3);
    for (int y = 0; y < down.size; y++) {
        uint8_t *to = bgr + ((size_t)(down.start + y) * (size_t)across.canvas_size
                             + (size_t)across.start) * 3;
        for (int x = 0; x < across.size; x++)
            for (int channel = 2; channel >= 0; channel--)
                *to++ = bilinear(picture, between(across, x), between(down, y), channel);
    }
}

double to_picture(Span span, double side) {
    double on_canvas = side * span.canvas_size - span.start;
    return clipped(on_canvas * span.picture_size / span.size, span.picture_size);
}
