#pragma once

#include <sys/single_threaded.h>

#include <mutex>

namespace troupe::os {

/// A mutex that costs two loads while its process has one thread, as most workers have. It may not be held while a thread
/// is started.
class mutex {
 public:
  void lock() {
    const bool alone = __libc_single_threaded != 0;
    if (!alone) mutex_.lock();
    locked_ = !alone;
  }
  void unlock() {
    if (locked_) mutex_.unlock();
  }

 private:
  std::mutex mutex_;
  bool locked_ = false;  // guarded by itself
};

}  // namespace troupe::os
