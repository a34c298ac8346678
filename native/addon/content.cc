#include "addon/content.h"

#include "engine/cpu.h"
#include "engine/error.h"
#include "hash/sha256.h"

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

}  // namespace neonsense::addon
