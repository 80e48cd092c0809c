/** The page: a picture chosen, dropped or the example's own; its boxes drawn and listed. */

import { Detector } from "./detector.js";

const MODEL = "model.end2end.onnx";
const PICTURE = "picture.jpg";

const part = (id) => document.getElementById(id);

/** Shows one line above the picture; `state` is loading, busy, done or failed. */
function say(state, text) {
  part("status").textContent = text;
  document.body.dataset.state = state;
}

async function fetched(name) {
  const response = await fetch(name);
  if (!response.ok) throw new Error(`${name} is not here (${response.status}): see README.md`);
  return response;
}

/** Returns the pixels of a picture file as they are in it, turned as its EXIF says. */
async function pixels(file) {
  const how = { colorSpaceConversion: "none", premultiplyAlpha: "none" };
  const bitmap = await createImageBitmap(file, how).catch(() => {
    throw new Error(`${file.name ?? PICTURE} is no picture that this browser reads`);
  });
  const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d");
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  return context.getImageData(0, 0, context.canvas.width, context.canvas.height);
}

/** Returns a colour of a class's own: hues a golden angle apart. */
const colour = (classId) => `hsl(${(205 + classId * 137.5) % 360} 75% 42%)`;

function draw(picture, detections) {
  const view = part("view");
  [view.width, view.height] = [picture.width, picture.height];
  const context = view.getContext("2d");
  context.putImageData(picture, 0, 0);
  // Pixels of the picture for one of the screen, so that labels can be read on a phone.
  const unit = picture.width / (view.clientWidth || picture.width);
  context.lineWidth = 2.5 * unit;
  context.font = `600 ${12 * unit}px system-ui, sans-serif`;
  context.textBaseline = "middle";
  const bestLast = detections.toReversed();
  for (const { classId, box } of bestLast) {
    context.strokeStyle = colour(classId);
    context.strokeRect(box[0], box[1], box[2] - box[0], box[3] - box[1]);
  }
  // After every box, so that a label is crossed by no line.
  for (const { name, classId, score, box } of bestLast) {
    const label = `${name} ${score.toFixed(2)}`;
    const width = context.measureText(label).width + 8 * unit;
    const height = 18 * unit;
    const x = Math.max(Math.min(box[0], picture.width - width), 0);
    const y = box[1] >= height ? box[1] - height : box[1];
    context.fillStyle = colour(classId);
    context.fillRect(x, y, width, height);
    context.fillStyle = "#fff";
    context.fillText(label, x + 4 * unit, y + height / 2);
  }
}

function list(detections) {
  part("rows").replaceChildren(
    ...detections.map(({ name, classId, score, box }) => {
      const row = document.createElement("tr");
      const mark = document.createElement("i");
      mark.style.background = colour(classId);
      row.insertCell().append(mark, name);
      row.insertCell().append(score.toFixed(2));
      row.insertCell().append(box.map(Math.round).join(", "));
      return row;
    }),
  );
  part("json").textContent = JSON.stringify(detections, null, 1);
}

async function show(detector, file) {
  try {
    say("busy", "Looking…");
    const picture = await pixels(file);
    const start = performance.now();
    const detections = await detector.detect(picture);
    const milliseconds = performance.now() - start;
    draw(picture, detections);
    list(detections);
    const found = `${detections.length} ${detections.length === 1 ? "object" : "objects"}`;
    const size = `${picture.width} × ${picture.height}`;
    say("done", `${detector.manifest.name}: ${found} in ${size}, ${milliseconds.toFixed(0)} ms`);
  } catch (error) {
    say("failed", error.message);
  }
}

async function start() {
  const model = new Uint8Array(await (await fetched(MODEL)).arrayBuffer());
  const detector = await Detector.load(model);
  // One after the other, in the order that they were given.
  let turn = Promise.resolve();
  const next = (file) => {
    if (file) turn = turn.then(() => show(detector, file));
  };
  part("file").addEventListener("change", (event) => next(event.target.files[0]));
  addEventListener("dragover", (event) => {
    event.preventDefault();
    document.body.classList.add("dropping");
  });
  addEventListener("dragleave", () => document.body.classList.remove("dropping"));
  addEventListener("drop", (event) => {
    event.preventDefault();
    document.body.classList.remove("dropping");
    next(event.dataTransfer.files[0]);
  });
  next(await (await fetched(PICTURE)).blob());
}

start().catch((error) => say("failed", error.message));
