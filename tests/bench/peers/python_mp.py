"""Python's multiprocessing between two processes, 64-byte messages.

python_mp.py pipe|queue throughput|ping-pong COUNT
"""

import multiprocessing
import os
import sys
import time

SIZE = 64


class Pipe:
    def __init__(self):
        self.receiver, self.sender = multiprocessing.Pipe(duplex=False)
        self.send, self.receive = self.sender.send, self.receiver.recv


class Queue:
    def __init__(self):
        self.queue = multiprocessing.Queue(1024)
        self.send, self.receive = self.queue.put, self.queue.get


def pin(index):
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[index % len(cores)]})


def report(test, value, unit):
    print(f"{test}\t{SIZE}\t{value:.6g}\t{unit}", flush=True)


def send_all(channel, count):
    pin(0)
    body = bytes(SIZE)
    for _ in range(count):
        channel.send(body)


def measure_throughput(kind, count):
    channel, warm = kind(), count // 10
    sender = multiprocessing.Process(target=send_all, args=(channel, count + warm))
    sender.start()
    pin(1)
    for _ in range(warm):
        channel.receive()
    began = time.monotonic_ns()
    for _ in range(count):
        channel.receive()
    report("throughput", count * 1e9 / (time.monotonic_ns() - began), "1/s")
    sender.join()


def answer(there, back, count):
    pin(1)
    for _ in range(count):
        back.send(there.receive())


def measure_ping_pong(kind, count):
    there, back, warm = kind(), kind(), count // 10
    wall = multiprocessing.Process(target=answer, args=(there, back, count + warm))
    wall.start()
    pin(0)
    body, latencies = bytes(SIZE), []
    for _ in range(count + warm):
        began = time.monotonic_ns()
        there.send(body)
        back.receive()
        latencies.append(time.monotonic_ns() - began)
    latencies = sorted(latencies[warm:])
    report("p50", latencies[count // 2] / 1000, "us")
    report("p99", latencies[count * 99 // 100] / 1000, "us")
    wall.join()


if __name__ == "__main__":
    kind = {"pipe": Pipe, "queue": Queue}[sys.argv[1]]
    measure = {"throughput": measure_throughput, "ping-pong": measure_ping_pong}[sys.argv[2]]
    measure(kind, int(sys.argv[3]))
