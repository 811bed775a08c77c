%% Erlang processes in one VM, or between two on this machine, 64-byte binaries.
%%   erl -noshell -pa DIR -run erlang_bench main one|two throughput|ping-pong|call COUNT
%% In the throughput test at most 1,024 messages are unread, as with a bounded mailbox: it is the faster way, too, since
%% the receiver's heap stays small. Between two VMs epmd must run, and this one must have a name.
-module(erlang_bench).
-export([main/1, receiver/3, wall/0, send_all/4]).
-behaviour(gen_server).
-export([init/1, handle_call/3, handle_cast/2]).

-define(SIZE, 64).
-define(WINDOW, 1024).
-define(STEP, 256).

main([Where, What, Count]) ->
    {Node, Stop} = place(Where),
    measure(What, Node, list_to_integer(Count)),
    Stop(),
    halt(0).

place("one") -> {node(), fun() -> ok end};
place("two") ->
    {ok, Peer, Node} = peer:start(#{name => peer:random_name(), host => "localhost",
                                    args => ["-pa", code_dir(), "-setcookie", atom_to_list(erlang:get_cookie())],
                                    connection => standard_io}),
    pong = net_adm:ping(Node),
    {Node, fun() -> peer:stop(Peer) end}.

code_dir() -> filename:dirname(code:which(?MODULE)).

report(What, Value, Unit) -> io:format("~s\t~w\t~w\t~s~n", [What, ?SIZE, Value, Unit]).
now_ns() -> erlang:monotonic_time(nanosecond).

%% The receiver takes the time, the sender is here.
measure("throughput", Node, Count) ->
    Warm = Count div 10,
    To = spawn(Node, ?MODULE, receiver, [self(), Warm, Count]),
    send_all(To, binary:copy(<<7>>, ?SIZE), Count + Warm, ?WINDOW),
    receive {took, Ns} -> report("throughput", Count * 1.0e9 / Ns, "1/s") end;
measure("ping-pong", Node, Count) ->
    Wall = spawn(Node, ?MODULE, wall, []),
    Body = binary:copy(<<7>>, ?SIZE),
    latencies(fun() -> Wall ! {self(), Body}, receive {Wall, _} -> ok end end, Count);
measure("call", Node, Count) ->
    {ok, Server} = erpc:call(Node, gen_server, start, [?MODULE, [], []]),
    Body = binary:copy(<<7>>, ?SIZE),
    latencies(fun() -> gen_server:call(Server, Body) end, Count).

send_all(_, _, 0, _) -> ok;
send_all(To, Body, Left, 0) ->
    receive {read, More} -> send_all(To, Body, Left, More) end;
send_all(To, Body, Left, Window) ->
    To ! Body,
    send_all(To, Body, Left - 1, Window - 1).

receiver(From, Warm, Count) ->
    take(From, Warm, ?STEP),
    Began = now_ns(),
    take(From, Count, ?STEP),
    From ! {took, now_ns() - Began}.

take(_, 0, _) -> ok;
take(From, Left, 0) -> From ! {read, ?STEP}, take(From, Left, ?STEP);
take(From, Left, Step) ->
    receive Body when byte_size(Body) =:= ?SIZE -> take(From, Left - 1, Step - 1) end.

wall() -> receive {From, Body} -> From ! {self(), Body}, wall() end.

latencies(Round, Count) ->
    Warm = Count div 10,
    _ = [Round() || _ <- lists:seq(1, Warm)],
    All = lists:sort([timed(Round) || _ <- lists:seq(1, Count)]),
    report("p50", lists:nth(Count div 2 + 1, All) / 1000, "us"),
    report("p99", lists:nth(Count * 99 div 100 + 1, All) / 1000, "us").

timed(Round) -> Began = now_ns(), Round(), now_ns() - Began.

init([]) -> {ok, nothing}.
handle_call(Body, _, State) -> {reply, Body, State}.
handle_cast(_, State) -> {noreply, State}.
