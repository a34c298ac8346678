// Node-API for the cross build for Windows. There a library names the file of each function that it asks others for,
// but Node-API is in whatever program loads the addon: node.exe under any name, an Electron app, a program with Node in
// a library of its own. So the addon names none. Its calls go through the pointers of node-api-imports.mjs, filled here
// before any of them is made.

#include <initializer_list>

#include <windows.h>

extern "C" {

// One for each function that the addon calls.
struct Import {
  const char* name;
  FARPROC* place;
};

// The linker sorts sections by what follows the dollar sign: the imports come to lie between these two.
__attribute__((section(".nodeapi$a"), used)) const Import neonsense_first_import = {nullptr, nullptr};
__attribute__((section(".nodeapi$z"), used)) const Import neonsense_last_import = {nullptr, nullptr};

}  // extern "C"

namespace {

// The module that has Node-API: the program, or the library that Node is built as.
HMODULE FindNode() {
  const HMODULE program = GetModuleHandleW(nullptr);
  for (const HMODULE module : {program, GetModuleHandleW(L"libnode.dll"), GetModuleHandleW(L"node.dll")}) {
    if (module != nullptr && GetProcAddress(module, "napi_create_function") != nullptr) return module;
  }
  return program;
}

bool Bind() {
  const HMODULE node = FindNode();
  for (const Import* import = &neonsense_first_import + 1; import < &neonsense_last_import; import++) {
    // The linker may leave room between what it sorted.
    if (import->name == nullptr) continue;
    *import->place = GetProcAddress(node, import->name);
    if (*import->place == nullptr) return false;
  }
  return true;
}

}  // namespace

// False: the program has no Node-API 8, and LoadLibrary fails.
extern "C" BOOL WINAPI DllMain(HINSTANCE, DWORD reason, LPVOID) {
  return reason != DLL_PROCESS_ATTACH || Bind() ? TRUE : FALSE;
}
