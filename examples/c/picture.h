/* Pictures, and how they lie on the network's canvas. */
#ifndef PICTURE_H
#define PICTURE_H

#include <stdint.h>

typedef struct {
    int width, height;
    uint8_t *rgb;
} Picture;

/* One axis of a picture on the same axis of the canvas, in pixels. */
typedef struct {
    int start, size, picture_size, canvas_size;
} Span;

/* Reads a binary PPM (P6) of eight bits. Returns NULL, or why it could not. */
const char *read_ppm(const char *name, Picture *picture);

/* Where the picture lies: one scale so that it just fits, a half rounded up, centred. */
void place(const Picture *picture, int width, int height, Span *across, Span *down);

/* Fills the canvas, BGR: the picture, bilinear between pixel centres, and grey around it. */
void letterbox(const Picture *picture, Span across, Span down, uint8_t *bgr);

/* Pixels of the picture, clipped to it, for a side of a box in [0, 1] of the canvas. */
double to_picture(Span span, double side);

#endif
