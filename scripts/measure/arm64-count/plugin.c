/*
 * A plugin for qemu-user (QEMU 4.2 or later, checked with 7.2) that counts the AArch64 instructions a program executes:
 * those of the mapped file whose path contains `module`, split by kind, and all others together. At the end it appends
 * one JSON line to the file `out`. With the argument `blocks` it also writes the module's blocks to that file: for each
 * a line with the offset in the module's file, how often it was entered, and its instructions, in hexadecimal.
 *
 *   QEMU_PLUGIN="file=libcount.so,module=neonsense.node,out=counts.jsonl" qemu-aarch64 ...
 *
 * QEMU translates guest code in blocks without inner jumps. A block's instructions are classified once, when it is
 * translated; what is counted is how often each block is entered, per virtual CPU, so that threads need no atomics.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * The part of QEMU's plugin interface (version 1) used here, declared by us: Debian ships no header for it. The names,
 * types and numbers are the interface; see QEMU's documentation, "TCG plugins".
 */
#define EXPORT __attribute__((visibility("default")))
typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
struct qemu_info;
enum qemu_plugin_cb_flags { QEMU_PLUGIN_CB_NO_REGS };
typedef void (*translate_callback)(qemu_plugin_id_t id, struct qemu_plugin_tb* block);
typedef void (*execute_callback)(unsigned int cpu, void* data);
typedef void (*exit_callback)(qemu_plugin_id_t id, void* data);
extern void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id, translate_callback callback);
extern void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb* block, execute_callback callback,
                                                 enum qemu_plugin_cb_flags flags, void* data);
extern void qemu_plugin_register_atexit_cb(qemu_plugin_id_t id, exit_callback callback, void* data);
extern size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb* block);
extern struct qemu_plugin_insn* qemu_plugin_tb_get_insn(const struct qemu_plugin_tb* block, size_t index);
extern const void* qemu_plugin_insn_data(const struct qemu_plugin_insn* instruction);
extern void* qemu_plugin_insn_haddr(const struct qemu_plugin_insn* instruction);

EXPORT int qemu_plugin_version = 1;

enum kind { SIMD, LOAD_STORE, OTHER, KINDS };

struct block {
  uint32_t instructions[KINDS];
  bool in_module;
  /* The rest is kept only for the list of blocks. */
  struct block* next;
  uint64_t offset;
  /* Without atomics: what is measured runs the module's code on one thread at a time. */
  uint64_t entered;
  size_t count;
  uint32_t words[];
};
static struct block* blocks;

/* Counters of one virtual CPU, on cache lines of their own. A thread that ends may hand its number to a later one. */
#define CPUS 1024
static struct counters {
  uint64_t module[KINDS];
  uint64_t elsewhere;
  uint64_t padding[4];
} counters[CPUS] __attribute__((aligned(64)));

static char module_name[256];
static char out_path[4096];
static char blocks_path[4096];

/*
 * Arm ARM, "Top-level encodings": bits 28 to 25 tell the group. Loads and stores of SIMD registers count as loads and
 * stores; scalar floating point shares its group with SIMD.
 */
static enum kind classify(uint32_t word) {
  uint32_t group = (word >> 25) & 15;
  if ((group & 5) == 4) return LOAD_STORE;
  if ((group & 7) == 7) return SIMD;
  /* SVE; its memory instructions have bit 31 set. */
  if (group == 2) return (word >> 31) != 0 ? LOAD_STORE : SIMD;
  /* SME: group 0 with bit 31 set; group 0 without it is reserved, where QEMU would have raised SIGILL. */
  if (group == 0 && (word >> 31) != 0) return SIMD;
  return OTHER;
}

/*
 * Whether a host address lies in a mapping of the module's file. Guest memory is mapped into QEMU's own address space,
 * so the kernel's list of mappings says which file it is. The list is long: the latest range of the module and the
 * latest of another file are remembered. Memory without a file is not, as it may give way to the module.
 */
static bool address_in_module(uintptr_t address, uint64_t* offset) {
  static struct { uintptr_t begin, end, offset; } known[2];
  for (int in_module = 0; in_module < 2; in_module++) {
    if (address < known[in_module].begin || address >= known[in_module].end) continue;
    *offset = address - known[in_module].begin + known[in_module].offset;
    return in_module != 0;
  }
  FILE* maps = fopen("/proc/self/maps", "r");
  if (maps == NULL) return false;
  char line[4352];
  bool in_module = false;
  while (fgets(line, sizeof line, maps) != NULL) {
    uintptr_t begin, end, start;
    int read = sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %*s %" SCNxPTR, &begin, &end, &start);
    if (read != 3 || address < begin || address >= end) continue;
    const char* path = strchr(line, '/');
    if (path != NULL) {
      in_module = strstr(path, module_name) != NULL;
      known[in_module].begin = begin;
      known[in_module].end = end;
      known[in_module].offset = start;
      *offset = address - begin + start;
    }
    break;
  }
  fclose(maps);
  return in_module;
}

static void on_execute(unsigned int cpu, void* data) {
  struct block* block = data;
  struct counters* own = &counters[cpu % CPUS];
  if (block->in_module) {
    block->entered++;
    for (int kind = 0; kind < KINDS; kind++) own->module[kind] += block->instructions[kind];
  } else {
    for (int kind = 0; kind < KINDS; kind++) own->elsewhere += block->instructions[kind];
  }
}

/* In user mode QEMU holds a lock while it translates, so one call at a time gets here. */
static void on_translate(qemu_plugin_id_t id, struct qemu_plugin_tb* block) {
  (void)id;
  size_t count = qemu_plugin_tb_n_insns(block);
  if (count == 0) return;
  struct block* record = calloc(1, sizeof *record + count * sizeof record->words[0]);
  if (record == NULL) abort();
  void* first = qemu_plugin_insn_haddr(qemu_plugin_tb_get_insn(block, 0));
  record->in_module = address_in_module((uintptr_t)first, &record->offset);
  record->count = count;
  for (size_t i = 0; i < count; i++) {
    uint32_t* word = &record->words[i];
    memcpy(word, qemu_plugin_insn_data(qemu_plugin_tb_get_insn(block, i)), sizeof *word);
    record->instructions[classify(*word)]++;
  }
  if (record->in_module && blocks_path[0] != '\0') {
    record->next = blocks;
    blocks = record;
  }
  qemu_plugin_register_vcpu_tb_exec_cb(block, on_execute, QEMU_PLUGIN_CB_NO_REGS, record);
}

static void write_blocks(void) {
  FILE* out = fopen(blocks_path, "w");
  if (out == NULL) {
    perror(blocks_path);
    return;
  }
  for (const struct block* block = blocks; block != NULL; block = block->next) {
    if (block->entered == 0) continue;
    fprintf(out, "%" PRIx64 " %" PRIu64, block->offset, block->entered);
    for (size_t i = 0; i < block->count; i++) fprintf(out, " %08" PRIx32, block->words[i]);
    fputc('\n', out);
  }
  fclose(out);
}

static void on_exit_of_guest(qemu_plugin_id_t id, void* data) {
  (void)id;
  (void)data;
  struct counters sum = {0};
  for (int cpu = 0; cpu < CPUS; cpu++) {
    for (int kind = 0; kind < KINDS; kind++) sum.module[kind] += counters[cpu].module[kind];
    sum.elsewhere += counters[cpu].elsewhere;
  }
  FILE* out = fopen(out_path, "a");
  if (out == NULL) {
    perror(out_path);
    return;
  }
  fprintf(out, "{\"simd\":%" PRIu64 ",\"loadStore\":%" PRIu64 ",\"other\":%" PRIu64 ",\"elsewhere\":%" PRIu64 "}\n",
          sum.module[SIMD], sum.module[LOAD_STORE], sum.module[OTHER], sum.elsewhere);
  fclose(out);
  if (blocks_path[0] != '\0') write_blocks();
}

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info* info, int argc, char** argv) {
  (void)info;
  for (int i = 0; i < argc; i++) {
    if (strncmp(argv[i], "module=", 7) == 0) snprintf(module_name, sizeof module_name, "%s", argv[i] + 7);
    if (strncmp(argv[i], "out=", 4) == 0) snprintf(out_path, sizeof out_path, "%s", argv[i] + 4);
    if (strncmp(argv[i], "blocks=", 7) == 0) snprintf(blocks_path, sizeof blocks_path, "%s", argv[i] + 7);
  }
  if (module_name[0] == '\0' || out_path[0] == '\0') {
    fprintf(stderr, "arm64-count plugin: expected the arguments module=NAME and out=FILE\n");
    return -1;
  }
  qemu_plugin_register_vcpu_tb_trans_cb(id, on_translate);
  qemu_plugin_register_atexit_cb(id, on_exit_of_guest, NULL);
  return 0;
}
