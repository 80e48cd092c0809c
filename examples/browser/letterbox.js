/**
 * From a picture of any size to the network's canvas and back, as `spotlet.letterbox` does it.
 *
 * One scale, so that the picture just fits; the other side rounded, a half up; centred, an odd rest
 * right and below. Pixels have edges: x on the picture is at x * width / pictureWidth on the canvas.
 */

/** Returns where a picture lies on a canvas, pixels of the canvas: left, top, width, height. */
export function placement(pictureWidth, pictureHeight, canvasWidth, canvasHeight) {
  let [width, height] = [canvasWidth, canvasHeight];
  // In whole numbers, because a quotient next to a half rounds either way.
  if (canvasHeight * pictureWidth <= canvasWidth * pictureHeight) {
    width = rounded(pictureWidth * canvasHeight, pictureHeight);
  } else {
    height = rounded(pictureHeight * canvasWidth, pictureWidth);
  }
  const left = Math.floor((canvasWidth - width) / 2);
  const top = Math.floor((canvasHeight - height) / 2);
  return { left, top, width, height };
}

function rounded(numerator, denominator) {
  return Math.max(Math.floor((2 * numerator + denominator) / (2 * denominator)), 1);
}

/**
 * Returns the canvas, a `Uint8Array` of canvasHeight x canvasWidth x 3 bytes, BGR.
 *
 * `picture` is an `ImageData`: RGBA, opaque. Bilinear between the four pixels whose centres are
 * nearest, without smoothing when it shrinks, byte for byte as OpenCV's INTER_LINEAR_EXACT: a
 * browser's own `drawImage` smooths, and the network was not trained with that.
 */
export function letterbox(picture, canvasWidth, canvasHeight, padValue) {
  const place = placement(picture.width, picture.height, canvasWidth, canvasHeight);
  const canvas = new Uint8Array(canvasWidth * canvasHeight * 3).fill(padValue);
  const columns = neighbours(picture.width, place.width);
  const rows = neighbours(picture.height, place.height);
  const { data: rgba, width: pictureWidth } = picture;
  for (let y = 0; y < place.height; y++) {
    const upper = rows.first[y] * pictureWidth;
    const lower = rows.second[y] * pictureWidth;
    const down = rows.weight[y];
    let to = ((place.top + y) * canvasWidth + place.left) * 3;
    for (let x = 0; x < place.width; x++) {
      const [left, right, across] = [columns.first[x], columns.second[x], columns.weight[x]];
      for (let channel = 2; channel >= 0; channel--) {
        const above = mix(rgba[(upper + left) * 4 + channel], rgba[(upper + right) * 4 + channel], across);
        const below = mix(rgba[(lower + left) * 4 + channel], rgba[(lower + right) * 4 + channel], across);
        canvas[to++] = (mix(above, below, down) + (ONE * ONE) / 2) >> 16;
      }
    }
  }
  return canvas;
}

/** Weights are whole 256ths, so that nothing is rounded before the last step. */
const ONE = 256;

function mix(first, second, weight) {
  return first * (ONE - weight) + second * weight;
}

/** Returns, for each pixel along one axis, the two it lies between and the second's weight. */
function neighbours(pictureSide, side) {
  const first = new Int32Array(side);
  const second = new Int32Array(side);
  const weight = new Int32Array(side);
  const inside = (index) => Math.min(Math.max(index, 0), pictureSide - 1);
  // The inverse of the scale, as OpenCV has it: the quotient itself may round a half otherwise.
  const step = 1 / (side / pictureSide);
  for (let at = 0; at < side; at++) {
    const centre = (at + 0.5) * step - 0.5;
    const before = Math.floor(centre);
    first[at] = inside(before);
    second[at] = inside(before + 1);
    weight[at] = roundedToEven((centre - before) * ONE);
  }
  return { first, second, weight };
}

function roundedToEven(value) {
  const up = Math.floor(value + 0.5);
  return up - value === 0.5 && up % 2 === 1 ? up - 1 : up;
}

/** Returns a box [x1, y1, x2, y2] in pixels of the picture, clipped to it, of one in [0, 1]. */
export function toPicture(box, picture, canvasWidth, canvasHeight) {
  const place = placement(picture.width, picture.height, canvasWidth, canvasHeight);
  const axis = (unit, canvasSide, offset, side, pictureSide) =>
    Math.min(Math.max(((unit * canvasSide - offset) * pictureSide) / side, 0), pictureSide);
  const x = (unit) => axis(unit, canvasWidth, place.left, place.width, picture.width);
  const y = (unit) => axis(unit, canvasHeight, place.top, place.height, picture.height);
  return [x(box[0]), y(box[1]), x(box[2]), y(box[3])];
}
