#!/usr/bin/env escript
%%! +S 1 -kernel logger_level notice
%% Lets trees of Erlang/OTP's own supervisors live through histories and prints what happened; tests/support/otp_tree.hpp
%% says what a history and a trace are. Histories are read from a file and end with a line `end`, and so do traces.
-mode(compile).
-export([main/1, init/1, start_one/2, start_sup/1, log/2]).

main([File]) ->
    {ok, Text} = file:read_file(File),
    ok = logger:remove_handler(default),
    ok = logger:add_handler(teller, ?MODULE, #{}),
    ets:new(tree, [named_table, public]),
    process_flag(trap_exit, true),
    histories(binary:split(Text, <<"\n">>, [global]), []).

histories([], _) -> ok;
histories([<<"end">> | Rest], History) ->
    put(sups, []), put(ended, false), put(trace, []),
    ets:delete_all_objects(tree),
    ets:insert(tree, [{fates, []}, {driver, self()}]),
    live(lists:reverse(History)),
    io:put_chars([lists:reverse(get(trace)), "end\n"]),
    histories(Rest, []);
histories([Line | Rest], History) -> histories(Rest, [binary_to_list(Line) | History]).

live([]) -> ok;
live([Line | Rest]) ->
    take(Line, string:lexemes(Line, " ")),
    get(ended) orelse live(Rest).

say(Text) -> put(trace, [[Text, "\n"] | get(trace)]).

take(_, ["sup", Id, Parent, Strategy, Intensity, Auto, Restart, Significant]) ->
    put(sups, get(sups) ++ [Id]),
    Flags = #{strategy => list_to_atom(Strategy), intensity => list_to_integer(Intensity), period => 3600,
              auto_shutdown => list_to_atom(Auto)},
    ets:insert(tree, {{sup, Id}, Flags, []}),
    Parent =:= "-" orelse
        add(Parent, #{id => Id, start => {?MODULE, start_sup, [Id]}, type => supervisor, shutdown => infinity,
                      restart => list_to_atom(Restart), significant => list_to_atom(Significant)});
take(_, ["child", Id, Parent | Rest]) -> add(Parent, worker([Id | Rest]));
take(_, ["fates" | Fates]) -> ets:insert(tree, {fates, Fates});
take(Line, Words) ->
    say("op " ++ Line),
    inject(Words),
    quiet(),
    flush(),
    case pid_of("0") of
        undefined -> say("ended"), put(ended, true);
        _ -> lists:foreach(fun show/1, get(sups))
    end.

add(Parent, Spec) ->
    [{Key, Flags, Specs}] = ets:lookup(tree, {sup, Parent}),
    ets:insert(tree, {Key, Flags, Specs ++ [Spec]}).

worker([Id, Restart, Significant, Shutdown, Manner]) ->
    #{id => Id, start => {?MODULE, start_one, [list_to_atom(Manner), Id]}, restart => list_to_atom(Restart),
      significant => list_to_atom(Significant), shutdown => shutdown(Shutdown), type => worker}.

shutdown("timed") -> 5000;
shutdown(Word) -> list_to_atom(Word).

inject(["boot"]) ->
    [{_, _, [Top]}] = ets:lookup(tree, {sup, "0"}),
    {ok, _} = start_root(),
    call("0", {start_child, Top});
inject(["stop"]) -> exit(pid_of("0"), shutdown);
inject(["exit" | Exits]) -> exits(Exits);
inject(["start", Parent | Child]) -> call(Parent, {start_child, worker(Child)});
inject(["terminate", Parent, Id]) -> call(Parent, {terminate_child, Id});
inject(["restart", Parent, Id]) -> call(Parent, {restart_child, Id});
inject(["delete", Parent, Id]) -> call(Parent, {delete_child, Id}).

start_root() ->
    {ok, Root} = supervisor:start_link(?MODULE, {"0", []}),
    ets:insert(tree, {{pid, "0"}, Root}),
    {ok, Root}.

start_sup(Id) ->
    Specs = ets:lookup_element(tree, {sup, Id}, 3),
    case supervisor:start_link(?MODULE, {Id, Specs}) of
        {ok, Pid} -> ets:insert(tree, {{pid, Id}, Pid}), {ok, Pid};
        Other -> Other
    end.

init({Id, Specs}) ->
    Flags = ets:lookup_element(tree, {sup, Id}, 2),
    {ok, {Flags, Specs}}.

start_one(Manner, Id) ->
    [{driver, Driver}] = ets:lookup(tree, driver),
    [{fates, Fates}] = ets:lookup(tree, fates),
    {Fate, Rest} = case Fates of [] -> {"o", []}; [F | Fs] -> {F, Fs} end,
    ets:insert(tree, {fates, Rest}),
    Driver ! {said, ["start ", Id, " ", Fate]},
    case Fate of
        "i" -> ignore;
        "e" -> {error, no};
        "o" ->
            Sup = self(),
            Pid = spawn_link(fun() -> process_flag(trap_exit, true), Sup ! {up, self()}, child(Driver, Id, Manner) end),
            receive {up, Pid} -> ok end,
            ets:insert(tree, {{pid, Id}, Pid, Sup}),
            {ok, Pid}
    end.

child(Driver, Id, Manner) ->
    receive
        {leave, Reason} -> leave(Reason);
        {'EXIT', _, shutdown} -> Driver ! {said, ["stop ", Id]}, leave(Manner)
    end.

leave(abnormal) -> exit(self(), kill);
leave(Reason) -> exit(Reason).

%% All of one supervisor, which sees the first when all have ended.
exits(Exits) ->
    Running = running(Exits),
    Sups = lists:usort([Sup || {_, Sup, _} <- Running]),
    lists:foreach(fun sys:suspend/1, Sups),
    lists:foreach(fun({Pid, _, Reason}) ->
                          Ref = monitor(process, Pid),
                          Pid ! {leave, Reason},
                          receive {'DOWN', Ref, _, _, _} -> ok end
                  end, Running),
    lists:foreach(fun sys:resume/1, Sups).

running([]) -> [];
running([Id, Reason | Rest]) ->
    case ets:lookup(tree, {pid, Id}) of
        [{_, Pid, Sup}] ->
            case is_process_alive(Pid) of
                true -> [{Pid, Sup, list_to_atom(Reason)} | running(Rest)];
                false -> running(Rest)
            end;
        _ -> running(Rest)
    end.

pid_of(Id) ->
    case ets:lookup(tree, {pid, Id}) of
        [{_, Pid}] -> case is_process_alive(Pid) of true -> Pid; false -> undefined end;
        _ -> undefined
    end.

call(Id, What) ->
    case pid_of(Id) of
        undefined -> self() ! {said, "answer closed"};
        Pid -> Pid ! {'$gen_call', {self(), {answer, make_ref()}}, What}
    end.

%% Nobody has anything to do: nothing has been said while all have answered, several times, since what one supervisor
%% does may be the other's next.
quiet() -> quiet(6, said()).

quiet(0, _) -> ok;
quiet(Looks, Before) ->
    Restarting = [ok || Id <- get(sups), {_, restarting, _, _} <- children(pid_of(Id))],
    Busy = lists:any(fun is_busy/1, processes() -- [self()]),
    erlang:yield(),
    case said() of
        Before when Restarting =:= [], not Busy -> quiet(Looks - 1, Before);
        Now -> quiet(6, Now)
    end.

said() -> element(2, process_info(self(), message_queue_len)).

children(undefined) -> [];
children(Pid) -> try supervisor:which_children(Pid) catch exit:_ -> [] end.

is_busy(Pid) ->
    case process_info(Pid, [status, message_queue_len]) of
        undefined -> false;
        [{status, waiting}, {message_queue_len, 0}] -> false;
        _ -> true
    end.

flush() ->
    receive
        {said, Text} -> say(Text), flush();
        {{answer, _}, Reply} -> say("answer " ++ result(Reply)), flush();
        _ -> flush()
    after 0 -> ok
    end.

result(ok) -> "ok";
result({ok, undefined}) -> "ignored";
result({ok, _}) -> "ok";
result({error, {already_started, _}}) -> "already_started";
result({error, Word}) when is_atom(Word), Word =/= no -> atom_to_list(Word);
result({error, _}) -> "start_failed".

show(Id) ->
    case pid_of(Id) of
        undefined -> ok;
        Pid -> say(["which ", Id, [state(Child) || Child <- children(Pid)]])
    end.

state({Id, undefined, _, _}) -> [" ", Id, ":down"];
state({Id, Pid, _, _}) when is_pid(Pid) -> [" ", Id, ":up"];
state({Id, restarting, _, _}) -> [" ", Id, ":restarting"].

%% A handler of the log, called in the supervisor.
log(#{msg := {report, #{label := {supervisor, Kind}, report := Report}}}, _) when Kind =/= progress ->
    [{driver, Driver}] = ets:lookup(tree, driver),
    Name = case Kind of shutdown -> "gave_up"; _ -> atom_to_list(Kind) end,
    Driver ! {said, ["report ", Name, " ", proplists:get_value(id, proplists:get_value(offender, Report))]};
log(_, _) -> ok.
