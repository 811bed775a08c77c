#pragma once

/// Everything that an actor program needs. For small compile times include what you use: actor.hpp, system.hpp,
/// ref.hpp, task.hpp, process.hpp, pipe.hpp, queue.hpp, watch.hpp; codec_cereal.hpp only where messages hold more than
/// plain bytes. Programs whose tree is in a file include main.hpp besides.

#include <troupe/actor.hpp>
#include <troupe/byte_count.hpp>
#include <troupe/certificate.hpp>
#include <troupe/child_spec.hpp>
#include <troupe/codec_cereal.hpp>
#include <troupe/dead_letters.hpp>
#include <troupe/error.hpp>
#include <troupe/log.hpp>
#include <troupe/message.hpp>
#include <troupe/pipe.hpp>
#include <troupe/process.hpp>
#include <troupe/queue.hpp>
#include <troupe/ref.hpp>
#include <troupe/supervisor.hpp>
#include <troupe/supervisor_ref.hpp>
#include <troupe/system.hpp>
#include <troupe/task.hpp>
#include <troupe/watch.hpp>
