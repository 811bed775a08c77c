#!/usr/bin/env escript
%%! +S 1 -kernel logger_level notice
%% Lets Erlang/OTP's own supervisor live through histories and prints what happened; tests/support/otp_history.hpp says
%% what a history and a trace are. Histories are read from a file and end with a line `end`, and so do traces.
-mode(compile).
-export([main/1, init/1, start_one/2, log/2]).

main([File]) ->
    {ok, Text} = file:read_file(File),
    ok = logger:remove_handler(default),
    ok = logger:add_handler(teller, ?MODULE, #{}),
    ets:new(fates, [named_table, public]),
    process_flag(trap_exit, true),
    histories(binary:split(Text, <<"\n">>, [global]), []).

histories([], _) -> ok;
histories([<<"end">> | Rest], History) ->
    put(specs, []), put(ended, false), put(trace, []), put(pids, #{}), put(simple, false),
    ets:delete_all_objects(fates),
    ets:insert(fates, [{queue, []}, {driver, self()}, {boots, true}]),
    put(ops, lists:reverse(History)),
    live(),
    io:put_chars([lists:reverse(get(trace)), "end\n"]),
    histories(Rest, []);
histories([Line | Rest], History) -> histories(Rest, [binary_to_list(Line) | History]).

live() ->
    case get(ops) of
        [] -> ok;
        [Line | Rest] ->
            put(ops, Rest),
            take(Line),
            get(ended) orelse live()
    end.

say(Text) -> put(trace, [[Text, "\n"] | get(trace)]).

take(Line) ->
    Words = string:lexemes(Line, " "),
    case Words of
        ["flags" | Flags] -> put(flags, flags(Flags)), put(simple, hd(Flags) =:= "simple_one_for_one");
        ["child" | Child] -> put(specs, get(specs) ++ specs(Child));
        ["fates" | Fates] -> ets:insert(fates, {queue, Fates});
        ["boot"] -> say("op " ++ Line), boot();
        ["stop"] -> say("op " ++ Line), exit(get(sup), shutdown), await_end();
        ["reload", Strategy, Intensity, Auto | Children] ->
            say("op " ++ Line),
            Specs = case get(simple) of
                false -> specs(Children);
                true -> template_of(string:join(Children, " "))
            end,
            ets:insert(fates, {init, {ok, {flags([Strategy, Intensity, Auto]), Specs}}}),
            Sup = get(sup),
            ok = sys:suspend(Sup),
            Result = sys:change_code(Sup, supervisor, vsn, []),
            ok = sys:resume(Sup),
            self() ! {said, case Result of ok -> "answer ok"; _ -> "answer bad_spec" end},
            settle();
        _ -> say("op " ++ Line), inject(Words), settle()
    end.

flags([Strategy, Intensity, Auto]) ->
    #{strategy => list_to_atom(Strategy), intensity => list_to_integer(Intensity), period => 3600,
      auto_shutdown => list_to_atom(Auto)}.

specs([]) -> [];
specs([Id, Restart, Significant, Type, Shutdown, Manner | Rest]) ->
    [#{id => list_to_integer(Id), start => {?MODULE, start_one, [list_to_atom(Manner), list_to_integer(Id)]},
       restart => list_to_atom(Restart), significant => list_to_atom(Significant), type => list_to_atom(Type),
       shutdown => shutdown(Shutdown)} | specs(Rest)].

shutdown("timed") -> 5000;
shutdown(Word) -> list_to_atom(Word).

%% All children of such a history are alike.
template(["start " ++ Child | _]) -> template_of(Child);
template([_ | Rest]) -> template(Rest);
template([]) -> template_of("0 permanent false worker timed shutdown").

template_of(Child) ->
    [#{start := {Module, Function, [Manner, _]}} = Spec] = specs(string:lexemes(Child, " ")),
    [Spec#{id => template, start => {Module, Function, [Manner]}}].

boot() ->
    Specs = case get(simple) of
        false -> get(specs);
        true -> template(get(ops))
    end,
    ets:insert(fates, {init, {ok, {get(flags), Specs}}}),
    ets:insert(fates, {boots, true}),
    Result = supervisor:start_link(?MODULE, []),
    ets:insert(fates, {boots, false}),
    case Result of
        {ok, Sup} -> put(sup, Sup), settle();
        {error, _} -> receive {'EXIT', _, _} -> ok end, flush(), say("ended"), put(ended, true)
    end.

init(_) -> ets:lookup_element(fates, init, 2).

%% In the supervisor.
start_one(Manner, Id) ->
    [{driver, Driver}] = ets:lookup(fates, driver),
    [{queue, Queue}] = ets:lookup(fates, queue),
    [{boots, Boots}] = ets:lookup(fates, boots),
    {Fate, Rest} = case Queue of [] -> {"o", []}; [F | Fs] -> {F, Fs} end,
    ets:insert(fates, {queue, Rest}),
    Driver ! {said, io_lib:format("start ~b ~s", [Id, Fate])},
    Long = lists:member(Fate, ["p", "h", "s"]) andalso not Boots,
    Long andalso begin Driver ! {paused, self()}, receive go -> ok end end,
    case Fate of
        "i" -> ignore;
        Up when Up =:= "o"; Up =:= "s" ->
            Sup = self(),
            Pid = spawn_link(fun() -> process_flag(trap_exit, true), Sup ! {up, self()}, child(Driver, Id, Manner) end),
            receive {up, Pid} -> ok end,
            ets:insert(fates, {{pid, Id}, Pid}),
            ets:insert(fates, {{id, Pid}, Id}),
            {ok, Pid};
        _ -> {error, no}
    end.

child(Driver, Id, Manner) ->
    receive
        {leave, Reason} -> leave(Reason);
        {'EXIT', _, shutdown} -> Driver ! {said, io_lib:format("stop ~b", [Id])}, leave(Manner)
    end.

leave(abnormal) -> exit(self(), kill);
leave(Reason) -> exit(Reason).

%% An operation, or its message to the supervisor, on the way.
inject(["exit" | Exits]) ->
    Sup = get(sup),
    Running = not is_busy(),
    Running andalso sys:suspend(Sup),
    exits(Exits),
    Running andalso sys:resume(Sup);
inject(["start", Id | _] = [_ | Child]) ->
    case get(simple) of
        true -> call({start_child, [list_to_integer(Id)]});
        false -> call({start_child, hd(specs(Child))})
    end;
inject(["terminate", Id]) -> call({terminate_child, key(Id)});
inject(["restart", Id]) -> call({restart_child, key(Id)});
inject(["delete", Id]) -> call({delete_child, key(Id)}).

is_busy() -> get(paused) =:= true.

key(Id) ->
    case {get(simple), ets:lookup(fates, {pid, list_to_integer(Id)})} of
        {false, _} -> list_to_integer(Id);
        {true, [{_, Pid}]} -> Pid;
        {true, []} -> self()
    end.

call(What) ->
    Ref = make_ref(),
    get(sup) ! {'$gen_call', {self(), {answer, Ref}}, What}.

exits([]) -> ok;
exits([Id, Reason | Rest]) ->
    case ets:lookup(fates, {pid, list_to_integer(Id)}) of
        [{_, Pid}] ->
            Ref = monitor(process, Pid),
            Pid ! {leave, list_to_atom(Reason)},
            receive {'DOWN', Ref, _, _, _} -> ok end;
        [] -> ok
    end,
    exits(Rest).

%% Until nothing is being restarted: then nothing is under way.
settle() ->
    Ref = make_ref(),
    get(sup) ! {'$gen_call', {self(), Ref}, which_children},
    settle(Ref, false).

%% An operation that was let in came behind the question.
settle(Ref, LetIn) ->
    Sup = get(sup),
    receive
        {Ref, Children} ->
            case LetIn orelse lists:any(fun({_, Pid, _, _}) -> Pid =:= restarting end, Children) of
                true -> settle();
                false -> flush(), show(Children)
            end;
        {paused, Sup} -> let_in(), Sup ! go, settle(Ref, true);
        {'EXIT', Sup, _} -> flush(), say("ended"), put(ended, true)
    end.

await_end() ->
    Sup = get(sup),
    receive {'EXIT', Sup, _} -> flush(), say("ended"), put(ended, true) end.

let_in() ->
    case get(ops) of
        [Line | Rest] ->
            Words = string:lexemes(Line, " "),
            case lists:member(hd(Words), ["exit", "start", "terminate", "restart", "delete"]) of
                true ->
                    put(ops, Rest), put(paused, true),
                    self() ! {said, "op " ++ Line},
                    inject(Words),
                    put(paused, false);
                false -> ok
            end;
        [] -> ok
    end.

flush() ->
    receive
        {said, Text} -> say(Text), flush();
        {{answer, _}, Reply} -> say("answer " ++ result(Reply)), flush();
        {_, Reply} when is_list(Reply) -> flush();
        {'EXIT', _, _} -> flush();
        _ -> flush()
    after 0 -> ok
    end.

result(ok) -> "ok";
result({ok, undefined}) -> "ignored";
result({ok, _}) -> "ok";
result({error, {already_started, _}}) -> "already_started";
result({error, {bad_combination, _}}) -> "bad_spec";
result({error, Word}) when is_atom(Word), Word =/= no -> atom_to_list(Word);
result({error, _}) -> "start_failed".

show(Children) ->
    Named = [{id_of(Id, Pid), Pid} || {Id, Pid, _, _} <- Children],
    Sorted = case get(simple) of true -> lists:sort(Named); false -> Named end,
    say(["which", [io_lib:format(" ~b:~s", [Id, case Pid of undefined -> "down"; _ -> "up" end]) || {Id, Pid} <- Sorted]]),
    Counted = supervisor:count_children(get(sup)),
    %% Of children made from a template OTP 25 counts wrongly after terminate_child in the middle of a restart.
    Counts = case get(simple) of true -> [{active, length(Children)} | Counted]; false -> Counted end,
    say(io_lib:format("count ~b ~b ~b ~b", [proplists:get_value(K, Counts) || K <- [specs, active, supervisors, workers]])).

id_of(undefined, Pid) -> ets:lookup_element(fates, {id, Pid}, 2);
id_of(Id, _) -> Id.

%% A handler of the log, called in the supervisor.
log(#{msg := {report, #{label := {supervisor, Kind}, report := Report}}}, _) when Kind =/= progress ->
    [{driver, Driver}] = ets:lookup(fates, driver),
    Offender = proplists:get_value(offender, Report),
    Name = case Kind of shutdown -> "gave_up"; _ -> atom_to_list(Kind) end,
    Id = case proplists:get_value(id, Offender) of
        template -> "";
        Number when is_integer(Number) -> io_lib:format(" ~b", [Number]);
        _ -> ""
    end,
    Driver ! {said, ["report ", Name, Id]};
log(_, _) -> ok.
