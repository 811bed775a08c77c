#include "os/symbols.hpp"

#include <cxxabi.h>
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <optional>

#include "os/fd.hpp"

namespace troupe::os {

namespace {

/// A loaded segment of a file. `base`: what is added to the addresses that the file speaks of.
struct module {
  std::uintptr_t begin = 0, end = 0, base = 0;
  std::string path, name;
};

std::vector<module>& modules() {
  static std::vector<module> all;
  return all;
}

std::string own_program() {
  char path[4096] = {};
  return ::readlink("/proc/self/exe", path, sizeof path - 1) > 0 ? path : "the program";
}

int note_module(dl_phdr_info* info, std::size_t, void* into) {
  const bool program = info->dlpi_name == nullptr || info->dlpi_name[0] == 0;
  const std::string path = program ? own_program() : info->dlpi_name;
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const auto& segment = info->dlpi_phdr[i];
    if (segment.p_type != PT_LOAD) continue;
    const std::uintptr_t begin = info->dlpi_addr + segment.p_vaddr;
    // The file may have been replaced since; what runs is still to be found under this name.
    static_cast<std::vector<module>*>(into)->push_back({begin, begin + segment.p_memsz, info->dlpi_addr,
                                                        program ? "/proc/self/exe" : path,
                                                        path.substr(path.rfind('/') + 1)});
  }
  return 0;
}

/// A file of 64-bit ELF, mapped. Everything that it says of itself is checked.
class elf_file {
 public:
  explicit elf_file(const std::string& path) {
    const fd file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
    struct stat status = {};
    if (!file || ::fstat(file.get(), &status) != 0 || status.st_size <= 0) return;
    void* at = ::mmap(nullptr, static_cast<std::size_t>(status.st_size), PROT_READ, MAP_PRIVATE, file.get(), 0);
    if (at == MAP_FAILED) return;
    at_ = static_cast<const std::byte*>(at);
    size_ = static_cast<std::uint64_t>(status.st_size);
    if (!find_symbols(SHT_SYMTAB)) find_symbols(SHT_DYNSYM);
  }
  elf_file(const elf_file&) = delete;
  elf_file& operator=(const elf_file&) = delete;
  ~elf_file() {
    if (at_ != nullptr) ::munmap(const_cast<std::byte*>(at_), size_);
  }

  struct found {
    std::string name;
    std::uint64_t offset;
  };
  /// The function at this address of the file.
  std::optional<found> function_at(std::uint64_t address) const {
    for (const auto& each : symbols_) {
      if (ELF64_ST_TYPE(each.st_info) != STT_FUNC || each.st_value > address) continue;
      if (address - each.st_value >= std::max<std::uint64_t>(each.st_size, 1) || each.st_name >= names_.size()) continue;
      const char* name = names_.data() + each.st_name;
      return found{std::string(name, ::strnlen(name, names_.size() - each.st_name)), address - each.st_value};
    }
    return std::nullopt;
  }

 private:
  template <class T>
  std::span<const T> range(std::uint64_t offset, std::uint64_t bytes) const {
    if (offset > size_ || bytes > size_ - offset || offset % alignof(T) != 0) return {};
    return {reinterpret_cast<const T*>(at_ + offset), static_cast<std::size_t>(bytes / sizeof(T))};
  }
  bool find_symbols(std::uint32_t kind) {
    const auto head = range<Elf64_Ehdr>(0, sizeof(Elf64_Ehdr));
    if (head.empty() || std::memcmp(head[0].e_ident, ELFMAG, SELFMAG) != 0) return false;
    if (head[0].e_ident[EI_CLASS] != ELFCLASS64) return false;
    const auto sections = range<Elf64_Shdr>(head[0].e_shoff, std::uint64_t{head[0].e_shnum} * sizeof(Elf64_Shdr));
    for (const auto& each : sections) {
      if (each.sh_type != kind || each.sh_link >= sections.size()) continue;
      const auto& names = sections[each.sh_link];
      symbols_ = range<Elf64_Sym>(each.sh_offset, each.sh_size);
      names_ = range<char>(names.sh_offset, names.sh_size);
      return !symbols_.empty();
    }
    return false;
  }

  const std::byte* at_ = nullptr;
  std::uint64_t size_ = 0;
  std::span<const Elf64_Sym> symbols_;
  std::span<const char> names_;
};

std::string hex(std::uint64_t value) {
  char text[32];
  std::snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(value));
  return text;
}

std::string demangled(const std::string& name) {
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> plain(
      abi::__cxa_demangle(name.c_str(), nullptr, nullptr, &status), &std::free);
  return status == 0 && plain ? plain.get() : name;
}

using elf_files = std::map<std::string, elf_file>;

std::string describe(std::uintptr_t address, bool returns_there, elf_files& files) {
  // A call may be the last instruction of its function: the address behind it belongs to the next one.
  const std::uintptr_t at = address - (returns_there && address > 0 ? 1 : 0);
  const auto its = std::find_if(modules().begin(), modules().end(),
                                [&](const module& each) { return at >= each.begin && at < each.end; });
  if (its == modules().end()) return hex(address);
  const elf_file& file = files.try_emplace(its->path, its->path).first->second;
  const auto function = file.function_at(at - its->base);
  if (!function) return its->name + "+" + hex(address - its->base);
  return demangled(function->name) + "+" + hex(function->offset + (address - at)) + " in " + its->name;
}

}  // namespace

void remember_modules() {
  modules().clear();
  ::dl_iterate_phdr(note_module, &modules());
}

std::vector<std::string> describe_trace(std::span<const std::uintptr_t> trace) {
  elf_files files;
  std::vector<std::string> lines;
  for (std::size_t i = 0; i < trace.size(); ++i) lines.push_back(describe(trace[i], i > 0, files));
  return lines;
}

}  // namespace troupe::os
