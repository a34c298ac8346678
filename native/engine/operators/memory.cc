#include "engine/operators/memory.h"

#include <algorithm>

namespace neonsense::engine {
namespace {

constexpr size_t kNone = SIZE_MAX;

size_t BytesOf(ValueType type) {
  if (type == ValueType::kF32) return sizeof(float);
  return type == ValueType::kF16 ? sizeof(uint16_t) : sizeof(uint8_t);
}

// Where in one piece of memory each value lies: values that are there at the same time lie apart. The largest are
// placed first, each as low as it fits.
class Offsets {
 public:
  Offsets(const Plan& plan, const std::vector<Step>& steps, const std::vector<size_t>& bytes, uint32_t graph_input)
      : of_(plan.values.size(), kNone) {
    std::vector<bool> is_external(plan.values.size(), false);
    is_external[graph_input] = true;
    for (uint32_t output : plan.outputs) is_external[output] = true;
    for (const Room& room : Rooms(steps, bytes, is_external)) Place(room);
  }

  size_t total() const { return total_; }
  // kNone for what needs none.
  size_t of(size_t value) const { return of_[value]; }

 private:
  // What has to be kept from one step to another: a value, or several that are one another's results in place.
  struct Room {
    std::vector<uint32_t> values;
    size_t bytes = 0;
    size_t first = 0;
    size_t last = 0;
    size_t offset = 0;
  };

  // The largest first.
  static std::vector<Room> Rooms(const std::vector<Step>& steps, const std::vector<size_t>& bytes,
                                 const std::vector<bool>& is_external) {
    std::vector<size_t> last_use(bytes.size(), 0);
    for (size_t i = 0; i < steps.size(); i++) {
      for (uint32_t input : steps[i].inputs()) last_use[input] = i;
    }
    std::vector<Room> rooms;
    std::vector<size_t> room_of(bytes.size(), kNone);
    for (size_t i = 0; i < steps.size(); i++) {
      const uint32_t output = steps[i].output();
      if (is_external[output]) continue;
      const size_t last = std::max(i, last_use[output]);
      const uint32_t input = steps[i].inputs()[0];
      if (steps[i].works_in_place() && room_of[input] != kNone && last_use[input] == i &&
          bytes[input] == bytes[output]) {
        room_of[output] = room_of[input];
        rooms[room_of[output]].values.push_back(output);
        rooms[room_of[output]].last = last;
        continue;
      }
      room_of[output] = rooms.size();
      const size_t padded = (bytes[output] + 2 * Memory::kSlackBytes - 1) / Memory::kSlackBytes * Memory::kSlackBytes;
      rooms.push_back({{output}, padded, i, last});
    }
    std::sort(rooms.begin(), rooms.end(),
              [](const Room& a, const Room& b) { return a.bytes != b.bytes ? a.bytes > b.bytes : a.first < b.first; });
    return rooms;
  }

  void Place(Room room) {
    for (const Room& other : placed_) {
      if (other.last < room.first || room.last < other.first) continue;
      if (room.offset + room.bytes <= other.offset) break;
      room.offset = std::max(room.offset, other.offset + other.bytes);
    }
    for (uint32_t value : room.values) of_[value] = room.offset;
    total_ = std::max(total_, room.offset + room.bytes);
    const auto behind = [](const Room& a, const Room& b) { return a.offset < b.offset; };
    placed_.insert(std::upper_bound(placed_.begin(), placed_.end(), room, behind), room);
  }

  std::vector<size_t> of_;
  size_t total_ = 0;
  // The lowest first.
  std::vector<Room> placed_;
};

}  // namespace

Memory::Memory(const Plan& plan, const std::vector<Step>& steps, const std::vector<size_t>& elements, uint32_t input,
               void* image, const std::vector<float*>& outputs)
    : places_(plan.values.size()) {
  std::vector<size_t> bytes;
  for (size_t i = 0; i < plan.values.size(); i++) {
    bytes.push_back(elements[i] * BytesOf(plan.values[i].type));
  }
  const Offsets offsets(plan, steps, bytes, input);
  size_ = offsets.total();
  memory_ = std::make_unique<char[]>(size_ + kSlackBytes);
  void* aligned = memory_.get();
  size_t space = size_ + kSlackBytes;
  data_ = static_cast<char*>(std::align(kSlackBytes, size_, aligned, space));
  for (size_t i = 0; i < places_.size(); i++) {
    places_[i].type = plan.values[i].type;
    places_[i].range = {plan.values[i].zero_point, plan.values[i].scale};
    if (offsets.of(i) == kNone) continue;
    places_[i].data = data_ + offsets.of(i);
    if (plan.values[i].type != ValueType::kQD8) continue;
    params_.push_back(std::make_unique<xnn_quantization_params[]>(1 + XNN_EXTRA_QUANTIZATION_PARAMS));
    places_[i].params = params_.back().get();
  }
  places_[input].data = image;
  for (size_t i = 0; i < outputs.size(); i++) places_[plan.outputs[i]].data = outputs[i];
}

}  // namespace neonsense::engine
