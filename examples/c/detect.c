/* Detections from C: `detect model.end2end.onnx picture.ppm` prints a line for each, best first:
 * class id, score, left, top, right, bottom in pixels of the picture. */
#define _POSIX_C_SOURCE 200112L /* setenv */
#include <onnxruntime_c_api.h>
#include <stdio.h>
#include <stdlib.h>

#include "picture.h"

static const OrtApi *ort;

static void require(int condition, const char *otherwise) {
    if (condition) return;
    fprintf(stderr, "detect: %s\n", otherwise);
    exit(4);
}
static void check(OrtStatus *status) {
    if (status != NULL) require(0, ort->GetErrorMessage(status));
}

/* Reads the shape of the graph's input: N, height, width, 3. */
static void input_shape(const OrtSession *session, int64_t shape[4]) {
    OrtTypeInfo *type;
    const OrtTensorTypeAndShapeInfo *info;
    size_t rank;
    check(ort->SessionGetInputTypeInfo(session, 0, &type));
    check(ort->CastTypeInfoToTensorInfo(type, &info));
    check(ort->GetDimensionsCount(info, &rank));
    require(rank == 4, "the model's input is no picture");
    check(ort->GetDimensions(info, shape, rank));
    require(shape[1] > 0 && shape[2] > 0 && shape[3] == 3, "the model's input is no picture");
    ort->ReleaseTypeInfo(type);
}

int main(int count, char **words) {
    require(count == 3, "give a model and a picture: detect model.end2end.onnx picture.ppm");
    ort = OrtGetApiBase()->GetApi(ORT_API_VERSION);
    require(ort != NULL, "the library is older than the header that this was built with");
    OrtEnv *env;
    OrtSessionOptions *options;
    OrtSession *session;
    /* Before CreateEnv, which sends its first event; an empty value does not turn it off. */
    const char *telemetry = getenv("ORT_DISABLE_TELEMETRY");
    if (telemetry == NULL || *telemetry == '\0') setenv("ORT_DISABLE_TELEMETRY", "1", 1);
    check(ort->CreateEnv(ORT_LOGGING_LEVEL_WARNING, "detect", &env));
    check(ort->CreateSessionOptions(&options));
    check(ort->CreateSession(env, words[1], options, &session));

    Picture picture;
    Span across, down;
    int64_t shape[4];
    const char *problem = read_ppm(words[2], &picture);
    require(problem == NULL, problem);
    input_shape(session, shape);
    shape[0] = 1;
    place(&picture, (int)shape[2], (int)shape[1], &across, &down);
    size_t size = (size_t)(shape[1] * shape[2] * shape[3]);
    uint8_t *bgr = malloc(size);
    require(bgr != NULL, "the canvas does not fit into memory");
    letterbox(&picture, across, down, bgr);

    const char *const input = "image", *const outputs[] = {"boxes", "scores", "class_ids", "count"};
    OrtMemoryInfo *memory;
    OrtValue *image, *found[4] = {NULL};
    void *data[4];
    check(ort->CreateCpuMemoryInfo(OrtDeviceAllocator, OrtMemTypeDefault, &memory));
    check(ort->CreateTensorWithDataAsOrtValue(memory, bgr, size, shape, 4,
                                              ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8, &image));
    check(ort->Run(session, NULL, &input, (const OrtValue *const *)&image, 1, outputs, 4, found));
    for (int n = 0; n < 4; n++) check(ort->GetTensorMutableData(found[n], &data[n]));
    const float *box = data[0], *scores = data[1];
    const int64_t *class_ids = data[2], *rows = data[3];
    for (int64_t row = 0; row < *rows; row++, box += 4) {
        double left = to_picture(across, box[0]), right = to_picture(across, box[2]);
        double top = to_picture(down, box[1]), bottom = to_picture(down, box[3]);
        if (right > left && bottom > top) /* else it lies on the border alone */
            printf("%d %.6f %.3f %.3f %.3f %.3f\n", (int)class_ids[row], scores[row], left, top,
                   right, bottom);
    }
    for (int n = 0; n < 4; n++) ort->ReleaseValue(found[n]);
    ort->ReleaseValue(image), ort->ReleaseMemoryInfo(memory), ort->ReleaseSession(session);
    ort->ReleaseSessionOptions(options), ort->ReleaseEnv(env);
    free(bgr), free(picture.rgb);
}
