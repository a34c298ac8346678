#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/plan.h"

namespace neonsense::addon {

// What a model's weights were read from, and the hash that was stored with it.
struct Content {
  struct Piece {
    std::string text;
    // After the text.
    engine::Span<const uint8_t> bytes;
  };

  // SHA-256 of all pieces as hexadecimal digits; absent where nothing is to be checked.
  std::optional<std::string> sha256;
  std::vector<Piece> pieces;

  // Throws engine::Error where the content has another hash.
  void Check() const;
};

}  // namespace neonsense::addon
