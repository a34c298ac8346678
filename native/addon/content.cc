#include "addon/content.h"

#include "engine/cpu.h"
#include "engine/error.h"
#include "hash/sha256.h"
#include "inflate/inflate.h"

namespace neonsense::addon {

void Content::Check() const {
  if (!sha256) return;
  hash::Sha256 hash(engine::HasSha256());
  for (const Piece& piece : pieces) {
    hash.Update(piece.text.data(), piece.text.size());
    hash.Update(piece.bytes.data, piece.bytes.size);
  }
  if (hash.Finish() != sha256) throw engine::Error("The content does not have the hash that was stored with it");
}

void Content::Unpack() const {
  for (const Packed& one : packed) {
    if (inflate::Inflate(one.deflated.data, one.deflated.size, one.data.data, one.data.size)) continue;
    throw engine::Error("Packed weights can't be unpacked to their size");
  }
}

}  // namespace neonsense::addon
