#include "engine/plan_bytes.h"

#include <cstring>

#include "engine/error.h"

namespace neonsense::engine {
namespace {

constexpr size_t kAlignment = 8;

class Reader {
 public:
  Reader(uint8_t* bytes, size_t size) : bytes_(bytes), size_(size) {}

  uint32_t Word() { return Number<uint32_t>(); }
  int32_t Integer() { return Number<int32_t>(); }
  float Float() { return Number<float>(); }

  template <typename Enum>
  Enum Member(Enum last) {
    const uint32_t word = Word();
    if (word > static_cast<uint32_t>(last)) throw Error("The plan's bytes hold an unknown type or operator");
    return static_cast<Enum>(word);
  }

  size_t Count(size_t most) {
    const uint32_t count = Word();
    if (count > most) throw Error("The plan's bytes hold a list of more than " + std::to_string(most) + " entries");
    return count;
  }

  template <typename T>
  Span<T> Array(size_t most = SIZE_MAX) {
    const size_t count = Count(most);
    offset_ = (offset_ + kAlignment - 1) / kAlignment * kAlignment;
    if (count == 0) return {};
    const size_t bytes = (count * sizeof(T) + 3) / 4 * 4;
    return {reinterpret_cast<T*>(Take(bytes)), count};
  }

  std::string String() {
    const Span<char> text = Array<char>(kMaxNameLength);
    return {text.data, text.size};
  }

  std::vector<uint32_t> Indices(size_t most) {
    const Span<uint32_t> indices = Array<uint32_t>(most);
    return {indices.data, indices.data + indices.size};
  }

 private:
  template <typename T>
  T Number() {
    T number;
    std::memcpy(&number, Take(sizeof number), sizeof number);
    return number;
  }

  uint8_t* Take(size_t count) {
    if (offset_ > size_ || count > size_ - offset_) throw Error("The plan's bytes end early");
    uint8_t* const data = bytes_ + offset_;
    offset_ += count;
    return data;
  }

  uint8_t* const bytes_;
  const size_t size_;
  size_t offset_ = 0;
};

class Writer {
 public:
  template <typename T>
  void Number(T number) {
    static_assert(sizeof(T) == 4, "numbers are words");
    Append(&number, sizeof number);
  }

  template <typename T>
  void Array(const T* data, size_t count) {
    Number(static_cast<uint32_t>(count));
    Pad(kAlignment);
    if (count == 0) return;
    Append(data, count * sizeof(T));
    Pad(4);
  }

  template <typename T>
  void Array(const Span<T>& span) {
    Array(span.data, span.size);
  }

  std::vector<uint8_t> bytes;

 private:
  void Append(const void* data, size_t count) {
    const auto* first = static_cast<const uint8_t*>(data);
    bytes.insert(bytes.end(), first, first + count);
  }
  void Pad(size_t alignment) { bytes.resize((bytes.size() + alignment - 1) / alignment * alignment); }
};

void ReadWeighted(Reader& reader, Layer& layer) {
  for (uint32_t& side : layer.kernel) side = reader.Word();
  for (uint32_t& step : layer.stride) step = reader.Word();
  for (uint32_t& padding : layer.padding) padding = reader.Word();
  Weights& weights = layer.weights;
  weights.type = reader.Member(WeightType::kQU8);
  weights.f32 = reader.Array<float>();
  weights.factors = reader.Array<double>();
  weights.qc8 = reader.Array<int8_t>();
  weights.scales = reader.Array<float>();
  weights.qu8 = reader.Array<uint8_t>();
  weights.scale = reader.Float();
  weights.zero_point = reader.Integer();
  layer.bias_f32 = reader.Array<float>();
  layer.bias_i32 = reader.Array<int32_t>();
  layer.min = reader.Float();
  layer.max = reader.Float();
}

void WriteWeighted(Writer& writer, const Layer& layer) {
  for (uint32_t side : layer.kernel) writer.Number(side);
  for (uint32_t step : layer.stride) writer.Number(step);
  for (uint32_t padding : layer.padding) writer.Number(padding);
  const Weights& weights = layer.weights;
  writer.Number(static_cast<uint32_t>(weights.type));
  writer.Array(weights.f32);
  writer.Array(weights.factors);
  writer.Array(weights.qc8);
  writer.Array(weights.scales);
  writer.Array(weights.qu8);
  writer.Number(weights.scale);
  writer.Number(weights.zero_point);
  writer.Array(layer.bias_f32);
  writer.Array(layer.bias_i32);
  writer.Number(layer.min);
  writer.Number(layer.max);
}

}  // namespace

Plan ReadPlan(uint8_t* bytes, size_t size) {
  Reader reader(bytes, size);
  Plan plan;
  plan.values.resize(reader.Count(kMaxEntries));
  for (Value& value : plan.values) {
    value.name = reader.String();
    for (size_t& dimension : value.shape) dimension = reader.Word();
    value.type = reader.Member(ValueType::kQD8);
    value.scale = reader.Float();
    value.zero_point = reader.Integer();
  }
  plan.layers.resize(reader.Count(kMaxEntries));
  for (Layer& layer : plan.layers) {
    layer.op = reader.Member(Op::kConvert);
    layer.name = reader.String();
    layer.inputs = reader.Indices(kMaxInputs);
    layer.output = reader.Word();
    if (layer.has_weights()) ReadWeighted(reader, layer);
  }
  plan.input = reader.Word();
  plan.outputs = reader.Indices(kMaxEntries);
  return plan;
}

std::vector<uint8_t> WritePlan(const Plan& plan) {
  Writer writer;
  writer.Number(static_cast<uint32_t>(plan.values.size()));
  for (const Value& value : plan.values) {
    writer.Array(value.name.data(), value.name.size());
    for (size_t dimension : value.shape) writer.Number(static_cast<uint32_t>(dimension));
    writer.Number(static_cast<uint32_t>(value.type));
    writer.Number(value.scale);
    writer.Number(value.zero_point);
  }
  writer.Number(static_cast<uint32_t>(plan.layers.size()));
  for (const Layer& layer : plan.layers) {
    writer.Number(static_cast<uint32_t>(layer.op));
    writer.Array(layer.name.data(), layer.name.size());
    writer.Array(layer.inputs.data(), layer.inputs.size());
    writer.Number(layer.output);
    if (layer.has_weights()) WriteWeighted(writer, layer);
  }
  writer.Number(plan.input);
  writer.Array(plan.outputs.data(), plan.outputs.size());
  return std::move(writer.bytes);
}

}  // namespace neonsense::engine
