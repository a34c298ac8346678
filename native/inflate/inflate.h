#pragma once

#include <cstddef>
#include <cstdint>

namespace neonsense::inflate {

// Unpacks a raw deflate stream (RFC 1951) to exactly `size` bytes. False where the stream is damaged, cut short or
// gives another number of bytes; `out` then holds anything. What follows the stream's end is not looked at.
bool Inflate(const uint8_t* packed, size_t packed_size, uint8_t* out, size_t size);

}  // namespace neonsense::inflate
