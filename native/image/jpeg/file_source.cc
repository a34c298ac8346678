#include "image/jpeg/file_source.h"

#include <cerrno>

#include <fcntl.h>
#include <sys/stat.h>
#if defined(_WIN32)
#include <io.h>
#else
#include <unistd.h>
#endif

#include "image/jpeg/not_taken.h"

namespace neonsense::image::jpeg {
namespace {

constexpr size_t kPieceBytes = size_t{128} << 10;

#if defined(_WIN32)

bool IsFile(const Path& path) {
  struct _stat64 found;
  return _wstat64(path.c_str(), &found) == 0 && (found.st_mode & _S_IFMT) == _S_IFREG;
}

int Open(const Path& path) { return _wopen(path.c_str(), _O_RDONLY | _O_BINARY | _O_NOINHERIT); }

int64_t Read(int descriptor, uint8_t* target, size_t bytes) {
  return _read(descriptor, target, static_cast<unsigned>(bytes));
}

void Close(int descriptor) { _close(descriptor); }

#else

// Asked before it is opened: a pipe's writer would be told that somebody reads.
bool IsFile(const Path& path) {
  struct stat found;
  return stat(path.c_str(), &found) == 0 && S_ISREG(found.st_mode);
}

int Open(const Path& path) {
  int descriptor;
  do {
    descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  } while (descriptor < 0 && errno == EINTR);
  return descriptor;
}

int64_t Read(int descriptor, uint8_t* target, size_t bytes) {
  int64_t count;
  do {
    count = read(descriptor, target, bytes);
  } while (count < 0 && errno == EINTR);
  return count;
}

void Close(int descriptor) { close(descriptor); }

#endif

}  // namespace

FileSource::FileSource(const Path& path) : descriptor_(IsFile(path) ? Open(path) : -1) {
  if (descriptor_ < 0) throw NotTaken();
}

FileSource::~FileSource() { Close(descriptor_); }

Bytes FileSource::Next() {
  if (!piece_) piece_.reset(new uint8_t[kPieceBytes]);
  const int64_t count = Read(descriptor_, piece_.get(), kPieceBytes);
  if (count < 0) throw NotTaken();
  return {piece_.get(), static_cast<size_t>(count)};
}

}  // namespace neonsense::image::jpeg
