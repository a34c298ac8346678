#include "addon/convert.h"

#include <array>
#include <functional>
#include <utility>

#include "addon/values.h"

namespace neonsense::addon {
namespace {

// An array, once it is known to have no more entries than any plan may.
Napi::Array ListOf(const Napi::Value& value, const std::string& what, size_t most = engine::kMaxEntries) {
  const Napi::Array array = ArrayOf(value, what);
  if (array.Length() > most) {
    throw Napi::RangeError::New(value.Env(), "`" + what + "` has " + std::to_string(array.Length()) +
                                                 " entries, at most " + std::to_string(most) + " are allowed");
  }
  return array;
}

std::vector<uint32_t> IndicesOf(const Napi::Value& value, const std::string& what, size_t most) {
  const Napi::Array array = ListOf(value, what, most);
  const uint32_t count = array.Length();
  std::vector<uint32_t> indices;
  for (uint32_t i = 0; i < count; i++) indices.push_back(IntegerOf<uint32_t>(array.Get(i), what));
  return indices;
}

constexpr engine::ValueType kValueTypes[] = {engine::ValueType::kF32, engine::ValueType::kQS8, engine::ValueType::kQU8,
                                             engine::ValueType::kQD8};
constexpr engine::Op kOps[] = {
    engine::Op::kConv2d,    engine::Op::kDepthwiseConv2d, engine::Op::kLinear, engine::Op::kGlobalAveragePool,
    engine::Op::kHardSwish, engine::Op::kMultiply,        engine::Op::kAdd,    engine::Op::kConvert};

// Reads a plan and remembers its arrays. They are looked at last: whatever an object's getters do is done by then.
class PlanReader {
 public:
  TakenPlan Read(const Napi::Value& value, const Napi::Value& content) {
    const Napi::Object plan = ObjectOf(value, "plan");
    const Napi::Array values = ListOf(plan.Get("values"), "plan.values");
    const uint32_t value_count = values.Length();
    for (uint32_t i = 0; i < value_count; i++) {
      plan_.values.push_back(ReadValue(ObjectOf(values.Get(i), "plan.values[i]")));
    }
    const Napi::Array layers = ListOf(plan.Get("layers"), "plan.layers");
    // Spans in it are pointed to until the end.
    plan_.layers.resize(layers.Length());
    for (uint32_t i = 0; i < plan_.layers.size(); i++) {
      ReadLayer(ObjectOf(layers.Get(i), "plan.layers[i]"), plan_.layers[i]);
    }
    plan_.input = IntegerOf<uint32_t>(plan.Get("input"), "plan.input");
    plan_.outputs = IndicesOf(plan.Get("outputs"), "plan.outputs", engine::kMaxEntries);

    if (!content.IsUndefined()) ReadContent(ObjectOf(content, "content"));

    TakenArrays taken(arrays_);
    for (size_t i = 0; i < targets_.size(); i++) targets_[i](taken.data(i), taken.length(i));
    return {std::move(plan_), std::move(content_), std::move(taken)};
  }

 private:
  engine::Value ReadValue(const Napi::Object& object) {
    engine::Value value;
    value.name = StringOf(object.Get("name"), "value.name");
    const auto shape = IntegersOf<uint32_t, 3>(object.Get("shape"), "value.shape");
    for (size_t i = 0; i < shape.size(); i++) value.shape[i] = shape[i];
    value.type = EnumOf(object.Get("type"), "value.type", kValueTypes);
    if (value.type == engine::ValueType::kQS8 || value.type == engine::ValueType::kQU8) {
      value.scale = static_cast<float>(NumberOf(object.Get("scale"), "value.scale"));
      value.zero_point = IntegerOf<int32_t>(object.Get("zeroPoint"), "value.zeroPoint");
    }
    return value;
  }

  void ReadLayer(const Napi::Object& object, engine::Layer& layer) {
    layer.op = EnumOf(object.Get("op"), "layer.op", kOps);
    layer.name = StringOf(object.Get("name"), "layer.name");
    layer.inputs = IndicesOf(object.Get("inputs"), "layer.inputs", engine::kMaxInputs);
    layer.output = IntegerOf<uint32_t>(object.Get("output"), "layer.output");
    if (!layer.has_weights()) return;

    layer.kernel = IntegersOf<uint32_t, 2>(object.Get("kernel"), "layer.kernel");
    layer.stride = IntegersOf<uint32_t, 2>(object.Get("stride"), "layer.stride");
    layer.padding = IntegersOf<uint32_t, 4>(object.Get("padding"), "layer.padding");
    ReadWeights(ObjectOf(object.Get("weights"), "layer.weights"), layer.weights);
    layer.min = static_cast<float>(NumberOf(object.Get("min"), "layer.min"));
    layer.max = static_cast<float>(NumberOf(object.Get("max"), "layer.max"));
    const Napi::Value bias = object.Get("bias");
    if (bias.IsTypedArray() && bias.As<Napi::TypedArray>().TypedArrayType() == napi_int32_array) {
      Remember(bias, napi_int32_array, "layer.bias", layer.bias_i32);
    } else {
      Remember(bias, napi_float32_array, "layer.bias", layer.bias_f32);
    }
  }

  void ReadWeights(const Napi::Object& object, engine::Weights& weights) {
    const std::string type = StringOf(object.Get("type"), "weights.type");
    const Napi::Value data = object.Get("data");
    if (type == "f32") {
      weights.type = engine::WeightType::kF32;
      Remember(data, napi_float32_array, "weights.data", weights.f32);
      const Napi::Value factors = object.Get("factors");
      if (!factors.IsUndefined()) Remember(factors, napi_float64_array, "weights.factors", weights.factors);
    } else if (type == "qc8") {
      weights.type = engine::WeightType::kQC8;
      Remember(data, napi_int8_array, "weights.data", weights.qc8);
      Remember(object.Get("scales"), napi_float32_array, "weights.scales", weights.scales);
    } else if (type == "qu8") {
      weights.type = engine::WeightType::kQU8;
      Remember(data, napi_uint8_array, "weights.data", weights.qu8);
      weights.scale = static_cast<float>(NumberOf(object.Get("scale"), "weights.scale"));
      weights.zero_point = IntegerOf<int32_t>(object.Get("zeroPoint"), "weights.zeroPoint");
    } else {
      throw Napi::TypeError::New(object.Env(), "Unknown `weights.type`: '" + type + "'");
    }
  }

  void ReadContent(const Napi::Object& object) {
    content_.sha256 = StringOf(object.Get("sha256"), "content.sha256");
    const Napi::Array pieces = ListOf(object.Get("pieces"), "content.pieces");
    // Spans in it are pointed to until the end.
    content_.pieces.resize(pieces.Length());
    for (uint32_t i = 0; i < content_.pieces.size(); i++) {
      const Napi::Object piece = ObjectOf(pieces.Get(i), "content.pieces[i]");
      content_.pieces[i].text = TextOf(piece.Get("text"), "piece.text");
      const Napi::Value bytes = piece.Get("bytes");
      if (!bytes.IsUndefined()) Remember(bytes, napi_uint8_array, "piece.bytes", content_.pieces[i].bytes);
    }
    const Napi::Array packed = ListOf(object.Get("packed"), "content.packed");
    content_.packed.resize(packed.Length());
    for (uint32_t i = 0; i < content_.packed.size(); i++) {
      const Napi::Object one = ObjectOf(packed.Get(i), "content.packed[i]");
      Remember(one.Get("deflated"), napi_uint8_array, "packed.deflated", content_.packed[i].deflated);
      const Napi::Value data = one.Get("data");
      const bool is_signed = data.IsTypedArray() && data.As<Napi::TypedArray>().TypedArrayType() == napi_int8_array;
      Remember(data, is_signed ? napi_int8_array : napi_uint8_array, "packed.data", content_.packed[i].data);
    }
  }

  template <typename T>
  void Remember(const Napi::Value& value, napi_typedarray_type type, const char* what, engine::Span<T>& span) {
    arrays_.push_back(TypedArrayFromJs(value, type, what));
    targets_.emplace_back([&span](uint8_t* data, size_t length) { span = {reinterpret_cast<T*>(data), length}; });
  }

  engine::Plan plan_;
  Content content_;
  std::vector<Napi::TypedArray> arrays_;
  // Where what is taken of each array belongs.
  std::vector<std::function<void(uint8_t* data, size_t length)>> targets_;
};

}  // namespace

Napi::TypedArray TypedArrayFromJs(const Napi::Value& value, napi_typedarray_type type, const std::string& what) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != type) {
    Fail(value.Env(), what, "a typed array of the right type");
  }
  return value.As<Napi::TypedArray>();
}

TakenPlan PlanFromJs(const Napi::Value& value, const Napi::Value& content) { return PlanReader().Read(value, content); }

engine::SessionOptions OptionsFromJs(const Napi::Value& value) {
  const Napi::Object object = ObjectOf(value, "options");
  engine::SessionOptions options;
  options.threads = IntegerOf<uint32_t>(object.Get("threads"), "options.threads");
  options.profile = BooleanOf(object.Get("profile"), "options.profile");
  options.fp16 = BooleanOf(object.Get("fp16"), "options.fp16");
  options.sparse = BooleanOf(object.Get("sparse"), "options.sparse");
  return options;
}

}  // namespace neonsense::addon
