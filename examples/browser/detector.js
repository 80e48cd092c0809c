/** The detector: a picture in, detections out. */

import * as ort from "onnxruntime-web/wasm";

import { letterbox, toPicture } from "./letterbox.js";
import { readManifest } from "./manifest.js";

// More threads need a server that sends the two headers of cross-origin isolation.
ort.env.wasm.numThreads = 1;

export class Detector {
  #session;

  constructor(session, manifest) {
    this.#session = session;
    this.manifest = manifest;
  }

  /** Returns a detector for an end-to-end file, a `Uint8Array`. */
  static async load(bytes) {
    const manifest = readManifest(bytes);
    const session = await ort.InferenceSession.create(bytes, { executionProviders: ["wasm"] });
    return new Detector(session, manifest);
  }

  /**
   * Returns what is in an `ImageData`: `{name, classId, score, box}`, best score first, `box` in
   * pixels of the picture.
   */
  async detect(picture) {
    const { input, output, classes } = this.manifest;
    const [height, width] = input.size_hw;
    const canvas = letterbox(picture, width, height, input.pad_value);
    const image = new ort.Tensor("uint8", canvas, [1, height, width, 3]);
    const found = await this.#session.run({ [input.name]: image });
    const [boxes, scores, classIds, count] = ["boxes", "scores", "class_ids", "count"].map(
      (what) => found[output[what]].data,
    );
    const detections = [];
    // int64 comes as a BigInt64Array.
    for (let row = 0; row < Number(count[0]); row++) {
      const classId = Number(classIds[row]);
      const box = toPicture(boxes.subarray(4 * row, 4 * row + 4), picture, width, height);
      // What lies on the border alone is cut to nothing.
      if (box[2] > box[0] && box[3] > box[1]) {
        detections.push({ name: classes[classId], classId, score: scores[row], box });
      }
    }
    return detections;
  }
}
