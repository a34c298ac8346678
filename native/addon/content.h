#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/plan.h"

namespace neonsense::addon {

// What a model's weights were read from, the hash that was stored with it, and what is still to be unpacked.
struct Content {
  struct Piece {
    std::string text;
    // After the text.
    engine::Span<const uint8_t> bytes;
  };

  struct Packed {
    engine::Span<const uint8_t> deflated;
    engine::Span<uint8_t> data;
  };

  // SHA-256 of all pieces as hexadecimal digits; absent where nothing is to be checked.
  std::optional<std::string> sha256;
  std::vector<Piece> pieces;
  std::vector<Packed> packed;

  // Throws engine::Error where the content has another hash.
  void Check() const;
  // Throws engine::Error where something can't be unpacked to as many bytes as there is room for.
  void Unpack() const;
};

}  // namespace neonsense::addon
