// expect: ok
#include <troupe/codec_cereal.hpp>
#include <troupe/pipe.hpp>
#include <troupe/process.hpp>
#include <troupe/queue.hpp>

#include <string>

int work(const std::string& text, troupe::pipe_end<int> end, troupe::queue<std::string> q, double factor);

void start(troupe::pipe_end<int> end, const troupe::queue<std::string>& q) {
  troupe::process started(work, "text", std::move(end), q, 2);
  troupe::process lambda([](int code) { return code; }, 'a');
}
