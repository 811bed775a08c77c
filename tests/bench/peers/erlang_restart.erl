%% A supervisor over a worker that is a port: a program of the system, whose end ends the worker.
%%   erl -noshell -pa DIR -run erlang_restart main PROGRAM FILE
-module(erlang_restart).
-export([main/1, init/1, start_worker/2, handle_call/3, handle_cast/2, handle_info/2]).

main([Program, File]) ->
    {ok, _} = supervisor:start_link(?MODULE, {supervisor, Program, File}),
    receive never -> ok end.

start_worker(Program, File) -> gen_server:start_link(?MODULE, {worker, Program, File}, []).

init({supervisor, Program, File}) ->
    {ok, {#{strategy => one_for_one, intensity => 1000000, period => 1},
          [#{id => it, start => {?MODULE, start_worker, [Program, File]}}]}};
init({worker, Program, File}) ->
    {ok, open_port({spawn_executable, Program}, [{args, [File]}, exit_status, {env, [{"BENCH_UNTIL_EOF", "1"}]}])}.

handle_call(_, _, Port) -> {reply, ok, Port}.
handle_cast(_, Port) -> {noreply, Port}.
handle_info({Port, {exit_status, How}}, Port) -> {stop, {exit_status, How}, Port}.
