#pragma once

#include <memory>
#include <string>

#include "image/jpeg/source.h"

namespace neonsense::image::jpeg {

#if defined(_WIN32)
using Path = std::wstring;
#else
using Path = std::string;
#endif

// A file on the disk, read piece by piece.
class FileSource final : public Source {
 public:
  // Throws NotTaken where there is no such file, or it is none but a pipe, a device or a folder.
  explicit FileSource(const Path& path);
  ~FileSource();
  FileSource(const FileSource&) = delete;
  FileSource& operator=(const FileSource&) = delete;

  Bytes Next() override;

 private:
  int descriptor_;
  std::unique_ptr<uint8_t[]> piece_;
};

}  // namespace neonsense::image::jpeg
