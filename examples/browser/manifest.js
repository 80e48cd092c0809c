/**
 * What a model file says about itself: the JSON under the key `spotlet` in its ONNX metadata.
 *
 * onnxruntime-web gives no access to that metadata, so this walks the top level of the file, a
 * protocol buffer, as far as the few fields wanted. Source: onnx.proto, `ModelProto` and
 * `StringStringEntryProto`; "Encoding" in the protocol buffers' documentation.
 */

const METADATA_PROPS = 14;
const KEY = 1;
const VALUE = 2;
const NEWEST_SCHEMA = 3;

const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;
const FIXED32 = 5;

/** Returns the manifest that a file carries; throws an `Error` where this host cannot keep to it. */
export function readManifest(bytes) {
  const manifest = JSON.parse(metadata(bytes).get("spotlet") ?? "null");
  require(manifest !== null, "no manifest in the file: export the model with spotlet");
  require(manifest.schema <= NEWEST_SCHEMA, `manifest schema ${manifest.schema} is too new`);
  require(
    manifest.output.form === "detections",
    "the outputs are cells: export the model with --end-to-end",
  );
  const { resize, interpolation, colour_order: order } = manifest.input;
  require(resize === "letterbox", `resize ${resize}: this host knows letterbox only`);
  require(
    interpolation === "linear_exact",
    `interpolation ${interpolation}: this host knows linear_exact only; export the model again`,
  );
  require(order === "BGR", `colour order ${order}: this host knows BGR only`);
  return manifest;
}

/** Returns the ONNX metadata, a `Map` of text, of the bytes of a file. */
export function metadata(bytes) {
  const text = new TextDecoder();
  const found = new Map();
  for (const entry of fieldsOf(bytes, METADATA_PROPS)) {
    const [key, value] = [KEY, VALUE].map((number) => fieldsOf(entry, number).next().value);
    found.set(text.decode(key), text.decode(value));
  }
  return found;
}

/** Yields the bytes of each field of this number. */
function* fieldsOf(bytes, wanted) {
  let at = 0;
  const varint = () => {
    // Not with shifts, which end at 32 bits.
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      require(at < bytes.length, "not an ONNX file");
      const byte = bytes[at++];
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const tag = varint();
    const kind = tag % 8;
    require([VARINT, FIXED64, BYTES, FIXED32].includes(kind), "not an ONNX file");
    if (kind === VARINT) {
      varint();
      continue;
    }
    const size = kind === BYTES ? varint() : kind === FIXED64 ? 8 : 4;
    require(at + size <= bytes.length, "the ONNX file is cut short");
    if (kind === BYTES && Math.floor(tag / 8) === wanted) yield bytes.subarray(at, at + size);
    at += size;
  }
}

function require(condition, message) {
  if (!condition) throw new Error(message);
}
