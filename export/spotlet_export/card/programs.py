"""The model card's programs: how to call the model from Python, C++ and JavaScript.

Each carries the model's own size, names, thresholds and padding, so that it runs as it stands.
"""

import json
from string import Template

from spotlet.manifest import Manifest
from spotlet.postprocess import LEAST_SCORE

CODE_COLUMNS = 96
"""The longest line of class names."""

PYTHON = Template("""\
from spotlet import Detector

detector = Detector($name)  # or the path of this folder
for found in detector(frame_bgr):  # H x W x 3 uint8, as OpenCV gives it
    print(found.name, found.score, found.box_xyxy)  # in pixels of that frame
""")

PYTHON_INT8 = Template("""\
detector = Detector($name, variant="int8")
""")

CPP = Template("""\
#include <algorithm>
#include <string>
#include <vector>
#include <onnxruntime_cxx_api.h>
#include <opencv2/imgproc.hpp>

const std::vector<std::string> kClasses{
$classes};
struct Found { int class_id; float score; cv::Rect2d box; };  // in pixels of the frame

std::vector<Found> detect(Ort::Session& session, const cv::Mat& frame) {  // CV_8UC3, BGR
  const int W = $width, H = $height, C = kClasses.size(), w = frame.cols, h = frame.rows;
$placement
  cv::Mat canvas(H, W, CV_8UC3, cv::Scalar::all($pad));
  cv::Mat place = canvas(cv::Rect(left, top, new_w, new_h));
  cv::resize(frame, place, place.size(), 0, 0, cv::INTER_$interpolation);

  const std::vector<int64_t> shape{1, H, W, 3};
  const auto memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
  auto image = Ort::Value::CreateTensor<uint8_t>(
      memory, canvas.data, canvas.total() * 3, shape.data(), shape.size());
  const char *inputs[] = {$input}, *outputs[] = {$boxes, $scores};
  auto out = session.Run(Ort::RunOptions{nullptr}, inputs, &image, 1, outputs, 2);
  const float *box = out[0].GetTensorData<float>(), *score = out[1].GetTensorData<float>();
  const int64_t places = out[0].GetTensorTypeAndShapeInfo().GetShape()[1];

  std::vector<Found> fired, kept, found;
  for (int64_t k = 0; k < places; ++k, box += 4, score += C) {
    float side[4];
    for (int i = 0; i < 4; ++i) side[i] = std::clamp(box[i], 0.f, 1.f) * (i % 2 ? H : W);
    const cv::Rect2d at(side[0], side[1], side[2] - side[0], side[3] - side[1]);
    for (int id = 0; id < C; ++id)
      if (score[id] >= ${score_threshold}f && at.width > 0 && at.height > 0$best_class)
        fired.push_back({id, score[id], at});
  }
  std::stable_sort(fired.begin(), fired.end(),
                   [](const Found& a, const Found& b) { return a.score > b.score; });
  for (const Found& a : fired) {
    const auto covers = [&](const Found& b) {
      const double both = (a.box & b.box).area();
      return a.class_id == b.class_id &&
             both > $iou_threshold * (a.box.area() + b.box.area() - both);
    };
    if (std::none_of(kept.begin(), kept.end(), covers)) kept.push_back(a);
  }
  for (Found& a : kept) {
    a.box = cv::Rect2d((a.box.x - left) * w / new_w, (a.box.y - top) * h / new_h,
                       a.box.width * w / new_w, a.box.height * h / new_h);
    a.box &= cv::Rect2d(0, 0, w, h);
    if (!a.box.empty() && found.size() < $max_detections) found.push_back(a);
  }
  return found;  // best first
}
""")

CPP_FITTED = """\
  const bool narrow = H * w <= W * h;
  const int new_w = narrow ? std::max((2 * w * H + h) / (2 * h), 1) : W;
  const int new_h = narrow ? H : std::max((2 * h * W + w) / (2 * w), 1);
"""

CPP_PLACEMENTS = {
    "letterbox": CPP_FITTED + "  const int left = (W - new_w) / 2, top = (H - new_h) / 2;",
    "letterbox_corner": CPP_FITTED + "  const int left = 0, top = 0;",
    "stretch": "  const int new_w = W, new_h = H, left = 0, top = 0;",
}
"""Where the frame lies, by the manifest's word for it."""

CPP_BEST_CLASS = " &&\n          id == std::max_element(score, score + C) - score"

JAVASCRIPT = Template("""\
import * as ort from "onnxruntime-web";

const classes = [
$classes];
const session = await ort.InferenceSession.create("model.onnx");

// What is in a picture (an image, a video's frame, a canvas) of w x h pixels, best first.
export async function detect(picture, w, h) {
  const W = $width, H = $height, C = classes.length;
$placement
  const context = new OffscreenCanvas(W, H).getContext("2d");
  context.fillStyle = "rgb($pad, $pad, $pad)";
  context.fillRect(0, 0, W, H);
  context.drawImage(picture, left, top, newW, newH);
  const rgba = context.getImageData(0, 0, W, H).data, bgr = new Uint8Array(3 * W * H);
  for (let i = 0; i < W * H; i++)
    for (let c = 0; c < 3; c++) bgr[3 * i + c] = rgba[4 * i + 2 - c];

  const image = new ort.Tensor("uint8", bgr, [1, H, W, 3]);
  const out = await session.run({ [$input]: image });
  const boxes = out[$boxes].data, scores = out[$scores].data;
  const fired = [], kept = [];
  for (let k = 0; k < boxes.length / 4; k++) {
    const box = [W, H, W, H].map((side, i) => side * Math.min(Math.max(boxes[4 * k + i], 0), 1));
    const own = scores.subarray(C * k, C * k + C);
    for (let id = 0; id < C; id++)
      if (own[id] >= Math.fround($score_threshold) && box[2] > box[0] && box[3] > box[1]$best_class)
        fired.push({ name: classes[id], score: own[id], box });
  }
  const area = (a) => Math.max(a[2] - a[0], 0) * Math.max(a[3] - a[1], 0);
  const overlap = (a, b) => {
    const both = area([Math.max(a[0], b[0]), Math.max(a[1], b[1]),
                       Math.min(a[2], b[2]), Math.min(a[3], b[3])]);
    return both / (area(a) + area(b) - both);
  };
  for (const a of fired.sort((a, b) => b.score - a.score)) {
    const covers = (b) => a.name === b.name && overlap(a.box, b.box) > $iou_threshold;
    if (!kept.some(covers)) kept.push(a);
  }
  const within = (x, most) => Math.min(Math.max(x, 0), most);
  return kept.map(({ name, score, box: [x1, y1, x2, y2] }) => ({ name, score, box: [
    within((x1 - left) * w / newW, w), within((y1 - top) * h / newH, h),
    within((x2 - left) * w / newW, w), within((y2 - top) * h / newH, h),
  ]})).filter(({ box }) => area(box) > 0).slice(0, $max_detections);
}
""")

JAVASCRIPT_FITTED = """\
  const narrow = H * w <= W * h;
  const newW = narrow ? Math.max(Math.floor((2 * w * H + h) / (2 * h)), 1) : W;
  const newH = narrow ? H : Math.max(Math.floor((2 * h * W + w) / (2 * w)), 1);
"""

JAVASCRIPT_PLACEMENTS = {
    "letterbox": JAVASCRIPT_FITTED
    + "  const left = Math.floor((W - newW) / 2), top = Math.floor((H - newH) / 2);",
    "letterbox_corner": JAVASCRIPT_FITTED + "  const left = 0, top = 0;",
    "stretch": "  const newW = W, newH = H, left = 0, top = 0;",
}

JAVASCRIPT_BEST_CLASS = "\n          && id === own.indexOf(Math.max(...own))"


JAVASCRIPT_END_TO_END = Template("""\
  const out = await session.run({ [$input]: image });
  const boxes = out[$boxes].data, scores = out[$scores].data, ids = out[$class_ids].data;
  const within = (x, most) => Math.min(Math.max(x, 0), most), found = [];
  for (let n = 0; n < Number(out[$count].data[0]); n++) {
    const [x1, y1, x2, y2] = boxes.subarray(4 * n, 4 * n + 4);
    const box = [
      within((x1 * W - left) * w / newW, w), within((y1 * H - top) * h / newH, h),
      within((x2 * W - left) * w / newW, w), within((y2 * H - top) * h / newH, h),
    ];
    if (box[2] > box[0] && box[3] > box[1])
      found.push({ name: classes[Number(ids[n])], score: scores[n], box });
  }
  return found;
}
""")


def python_code(manifest: Manifest) -> str:
    """Returns a program that finds objects in `frame_bgr`, through this package's runtime."""
    return PYTHON.substitute(name=_literal(manifest.name))


def python_int8_code(manifest: Manifest) -> str:
    """Returns the line that loads the int8 file instead."""
    return PYTHON_INT8.substitute(name=_literal(manifest.name))


def cpp_code(manifest: Manifest) -> str:
    """Returns a C++17 function from a frame to its objects, with onnxruntime and OpenCV alone."""
    interpolation = manifest.input.interpolation.upper()
    return CPP.substitute(
        _rules(manifest, CPP_BEST_CLASS),
        interpolation=interpolation,
        placement=CPP_PLACEMENTS[manifest.input.resize],
    )


def javascript_code(manifest: Manifest) -> str:
    """Returns a JavaScript module for the browser, with onnxruntime-web alone."""
    return JAVASCRIPT.substitute(
        _rules(manifest, JAVASCRIPT_BEST_CLASS),
        placement=JAVASCRIPT_PLACEMENTS[manifest.input.resize],
    )


def javascript_end_to_end_code(manifest: Manifest) -> str:
    """Returns how `javascript_code` ends for a file with suppression in its graph."""
    output = manifest.output
    return JAVASCRIPT_END_TO_END.substitute(
        input=_literal(manifest.input.name),
        boxes=_literal(output.boxes),
        scores=_literal(output.scores),
        class_ids=_literal(output.class_ids),
        count=_literal(output.count),
    )


def _rules(manifest: Manifest, best_class: str) -> dict[str, object]:
    """Returns what the programs are filled with; `best_class` says that a place has one class."""
    rule = manifest.detection
    height, width = manifest.input.size_hw
    return {
        "width": width,
        "height": height,
        "pad": manifest.input.pad_value,
        "input": _literal(manifest.input.name),
        "boxes": _literal(manifest.output.boxes),
        "scores": _literal(manifest.output.scores),
        "classes": _lines([_literal(name) for name in manifest.classes]),
        "score_threshold": float(max(rule.score_threshold, LEAST_SCORE)),
        "iou_threshold": float(rule.iou_threshold),
        "max_detections": rule.max_detections,
        "best_class": "" if rule.every_class else best_class,
    }


def _literal(text: str) -> str:
    """Returns text between double quotes, as Python, C++ and JavaScript read it."""
    return json.dumps(text, ensure_ascii=False)


def _lines(items: list[str]) -> str:
    """Returns items between commas, indented, in as many lines as they need."""
    lines = [f"  {items[0]}"]
    for item in items[1:]:
        if len(lines[-1]) + len(item) + 3 > CODE_COLUMNS:
            lines[-1] += ","
            lines.append(f"  {item}")
        else:
            lines[-1] += f", {item}"
    return "\n".join(lines)
