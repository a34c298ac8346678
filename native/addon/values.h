#pragma once

#include <array>
#include <cmath>
#include <string>
#include <type_traits>

#include <napi.h>

#include "engine/plan.h"

// Values of JavaScript as those of C++. `what` is how messages call them. All throw Napi::TypeError.
namespace neonsense::addon {

[[noreturn]] inline void Fail(Napi::Env env, const std::string& what, const char* expected) {
  throw Napi::TypeError::New(env, "Expected " + std::string(expected) + " for `" + what + "`");
}

inline Napi::Object ObjectOf(const Napi::Value& value, const std::string& what) {
  if (!value.IsObject()) Fail(value.Env(), what, "an object");
  return value.As<Napi::Object>();
}

inline Napi::Array ArrayOf(const Napi::Value& value, const std::string& what) {
  if (!value.IsArray()) Fail(value.Env(), what, "an array");
  return value.As<Napi::Array>();
}

inline double NumberOf(const Napi::Value& value, const std::string& what) {
  if (!value.IsNumber()) Fail(value.Env(), what, "a number");
  return value.As<Napi::Number>().DoubleValue();
}

template <typename T>
T IntegerOf(const Napi::Value& value, const std::string& what) {
  const double number = NumberOf(value, what);
  if (!(number >= -2147483648.0 && number <= 2147483647.0) || std::trunc(number) != number ||
      (std::is_unsigned_v<T> && number < 0)) {
    Fail(value.Env(), what, "an integer in range");
  }
  return static_cast<T>(number);
}

// As long as it comes.
inline std::string TextOf(const Napi::Value& value, const std::string& what) {
  if (!value.IsString()) Fail(value.Env(), what, "a string");
  return value.As<Napi::String>().Utf8Value();
}

// No longer than a name may be.
inline std::string StringOf(const Napi::Value& value, const std::string& what) {
  if (!value.IsString()) Fail(value.Env(), what, "a string");
  size_t length = 0;
  napi_get_value_string_utf8(value.Env(), value, nullptr, 0, &length);
  if (length > engine::kMaxNameLength) Fail(value.Env(), what, "a shorter string");
  return TextOf(value, what);
}

inline bool BooleanOf(const Napi::Value& value, const std::string& what) {
  if (!value.IsBoolean()) Fail(value.Env(), what, "a boolean");
  return value.As<Napi::Boolean>().Value();
}

template <typename T, size_t N>
std::array<T, N> IntegersOf(const Napi::Value& value, const std::string& what) {
  const Napi::Array array = ArrayOf(value, what);
  if (array.Length() != N) Fail(value.Env(), what, "an array of the right length");
  std::array<T, N> integers{};
  for (uint32_t i = 0; i < N; i++) integers[i] = IntegerOf<T>(array.Get(i), what);
  return integers;
}

template <typename Enum, size_t N>
Enum EnumOf(const Napi::Value& value, const std::string& what, const Enum (&members)[N]) {
  const std::string name = StringOf(value, what);
  for (Enum member : members) {
    if (name == ToString(member)) return member;
  }
  throw Napi::TypeError::New(value.Env(), "Unknown `" + what + "`: '" + name + "'");
}

}  // namespace neonsense::addon
