#include "plan_file.h"

#include <cstring>
#include <fstream>
#include <iterator>
#include <stdexcept>

namespace neonsense::engine::test {
namespace {

// Little-endian 32-bit words; a string or array is its length in elements, then its bytes padded to whole words.
class Reader {
 public:
  explicit Reader(std::vector<char>& bytes) : bytes_(bytes) {}

  uint32_t Word() {
    uint32_t word;
    std::memcpy(&word, Take(sizeof word), sizeof word);
    return word;
  }
  float Float() {
    float number;
    std::memcpy(&number, Take(sizeof number), sizeof number);
    return number;
  }
  std::string String() {
    const Span<char> span = Array<char>();
    return {span.data, span.size};
  }
  template <typename T>
  Span<T> Array() {
    const size_t count = Word();
    const size_t bytes = (count * sizeof(T) + 3) / 4 * 4;
    return {reinterpret_cast<T*>(Take(bytes)), count};
  }

 private:
  char* Take(size_t count) {
    if (count > bytes_.size() - offset_) throw std::runtime_error("The plan file ends early");
    char* data = bytes_.data() + offset_;
    offset_ += count;
    return data;
  }

  std::vector<char>& bytes_;
  size_t offset_ = 0;
};

}  // namespace

std::unique_ptr<PlanFile> ReadPlanFile(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  auto file = std::make_unique<PlanFile>();
  file->bytes.assign(std::istreambuf_iterator<char>(stream), {});
  Reader reader(file->bytes);
  Plan& plan = file->plan;
  plan.values.resize(reader.Word());
  for (Value& value : plan.values) {
    value.name = reader.String();
    for (size_t& dimension : value.shape) dimension = reader.Word();
    value.type = static_cast<ValueType>(reader.Word());
    value.scale = reader.Float();
    value.zero_point = static_cast<int32_t>(reader.Word());
  }
  plan.layers.resize(reader.Word());
  for (Layer& layer : plan.layers) {
    layer.op = static_cast<Op>(reader.Word());
    layer.name = reader.String();
    const Span<uint32_t> inputs = reader.Array<uint32_t>();
    layer.inputs.assign(inputs.data, inputs.data + inputs.size);
    layer.output = reader.Word();
    if (!layer.has_weights()) continue;
    for (uint32_t& n : layer.kernel) n = reader.Word();
    for (uint32_t& n : layer.stride) n = reader.Word();
    for (uint32_t& n : layer.padding) n = reader.Word();
    layer.weights.type = static_cast<WeightType>(reader.Word());
    layer.weights.f32 = reader.Array<float>();
    layer.weights.factors = reader.Array<double>();
    layer.weights.qc8 = reader.Array<int8_t>();
    layer.weights.scales = reader.Array<float>();
    layer.weights.qu8 = reader.Array<uint8_t>();
    layer.weights.scale = reader.Float();
    layer.weights.zero_point = static_cast<int32_t>(reader.Word());
    layer.bias_f32 = reader.Array<float>();
    layer.bias_i32 = reader.Array<int32_t>();
    layer.min = reader.Float();
    layer.max = reader.Float();
  }
  plan.input = reader.Word();
  const Span<uint32_t> outputs = reader.Array<uint32_t>();
  plan.outputs.assign(outputs.data, outputs.data + outputs.size);
  return file;
}

}  // namespace neonsense::engine::test
