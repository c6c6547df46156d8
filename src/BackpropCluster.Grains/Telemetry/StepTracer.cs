using System.Collections.Immutable;
using System.Diagnostics;
using BackpropCluster.Core;
using BackpropCluster.Core.Protocol;
using BackpropCluster.Grains.Actors;
using BackpropCluster.Grains.Client;

namespace BackpropCluster.Grains.Telemetry;

/// <summary>The traces of one run, put together where its coordinator is: a root for each traced step, its phases, and
/// under them what the actors of all silos did.</summary>
/// <remarks>All of a trace is made at once, when the last silo has told: so no child can be without its parent, or
/// outside of it in time, whatever is lost on the way.</remarks>
internal sealed class StepTracer(RunPlan plan, Func<long> clock)
{
    // A silo that was lost tells nothing any more; what the others told is shown without it. Counted from the step's
    // end: it may take longer, and so may its checkpoint. The last step's update is told when the parameters are read,
    // which of many shards takes its time.
    private static readonly long Patience = (long)TimeSpan.FromSeconds(3).TotalNanoseconds;
    private static readonly long PatienceAtTheEnd = (long)TimeSpan.FromSeconds(25).TotalNanoseconds;

    // Silos' clocks may be minutes apart. One that heard of the step before it began, or this much later, is set by the
    // message itself.
    private static readonly long Plausible = (long)TimeSpan.FromMilliseconds(100).TotalNanoseconds;
    private readonly SortedDictionary<int, OpenTrace> open = [];
    private readonly List<(string Name, long Start)> before = [];
    private readonly RollUp rollUp = new(plan);
    private Task written = Task.CompletedTask;
    private int writing;

    /// <summary>Traces that wait for silos to tell, or to be written.</summary>
    public int Pending => open.Count + Volatile.Read(ref writing);

    /// <summary>Whether all that was finished is written.</summary>
    public bool IsWritten => Volatile.Read(ref writing) == 0;

    /// <summary>Begins the trace of a step; its context goes along with every message.</summary>
    public TraceContext Begin(MessageKey key)
    {
        if (open.Remove(key.Step, out var earlier))
            GiveUp(earlier);
        var root = Spans.Begin(TraceWords.TrainStep);
        var now = clock();
        open[key.Step] = new OpenTrace(root, key.Term, now, [.. before.Select(b => (b.Name, b.Start, now))]);
        before.Clear();
        return root.Carried;
    }

    /// <summary>Of a step's trace that has begun, where somebody exports.</summary>
    public Activity? RootOf(int step) => open.GetValueOrDefault(step)?.Root.Activity;

    /// <summary>Something that happened at the boundary after a step: belongs to that step's trace, if it has
    /// one.</summary>
    public void After(int step, string name, long start, long end)
    {
        if (open.TryGetValue(step, out var trace))
            trace.Boundary.Add((name, start, end));
    }

    /// <summary>Something that goes on until the next step begins, which is traced because of it.</summary>
    public void Before(string name, long start)
    {
        // Of several recoveries in a row the first says when it began.
        if (plan.Trace != TraceSpec.None && !before.Exists(b => b.Name == name))
            before.Add((name, start));
    }

    public void Add(StepSpans spans)
    {
        // Of an earlier term: that attempt at the step was given up, and its trace with it.
        if (open.TryGetValue(spans.Key.Step, out var trace) && spans.Key.Term == trace.Term)
            trace.Told.Add(spans);
    }

    /// <summary>Finishes what is complete, and what has waited too long.</summary>
    /// <param name="state">The coordinator.</param>
    /// <param name="keep">Takes the spans of each finished trace, the root first; on another thread.</param>
    public void Finish(CoordinatorActor state, Action<IReadOnlyList<TraceSpan>> keep)
    {
        if (open.Count == 0 || state.Placement is not { } placement)
            return;
        var silos = placement
            .Silos.Where((_, silo) => placement.ActorsOn(plan, silo).Any(p => p.Kind != ActorRole.Source))
            .Count();
        foreach (var (step, trace) in open.ToList())
        {
            // Its boundary is going on: an evaluation, a checkpoint. Of many shards each applies the step's update with
            // its part of that.
            if (state.Step == step + 1 && state.Status is RunStatus.Evaluating or RunStatus.Saving)
                continue;
            if (step < state.Step && trace.Over == 0)
                trace.Over = clock();
            if (
                trace.Told.Count < silos
                && (trace.Over == 0 || clock() - trace.Over <= (state.Status.IsOver() ? PatienceAtTheEnd : Patience))
            )
                continue;
            open.Remove(step);
            if (trace.Told.Count > 0 && step <= state.Losses.Count)
                Write(
                    new TracedStep(
                        step,
                        (int)Math.Ceiling((double)step * plan.Spec.Training.Epochs / state.Steps),
                        state.Losses[step - 1],
                        placement
                    ),
                    trace,
                    keep
                );
            else
                GiveUp(trace);
        }
    }

    // Orleans has told its own spans already: their root has to stand, and says what became of it.
    private void GiveUp(OpenTrace trace)
    {
        if (plan.Trace.Orleans)
            Spans.End(
                trace.Root,
                trace.Began,
                clock(),
                [
                    TraceAttribute.Of(TraceWords.Run, plan.Run),
                    new TraceAttribute("backprop.given_up", TraceValue.Of(true)),
                ]
            );
        else
            trace.Root.Dispose();
    }

    // Beside the run: a trace is put together while the next steps are computed, one after the other.
    private void Write(TracedStep step, OpenTrace trace, Action<IReadOnlyList<TraceSpan>> keep)
    {
        Interlocked.Increment(ref writing);
        written = written.ContinueWith(
            _ =>
            {
                try
                {
                    keep(Emit(step, trace));
                }
                finally
                {
                    // Or a client would wait for a trace that no one writes any more.
                    Interlocked.Decrement(ref writing);
                }
            },
            CancellationToken.None,
            TaskContinuationOptions.None,
            TaskScheduler.Default
        );
    }

    private List<TraceSpan> Emit(TracedStep step, OpenTrace trace)
    {
        var told = trace.Told.SelectMany(t => Shifted(t, trace.Began).Select(span => (t.Silo, Span: span))).ToList();
        told = [.. Merged(told).OrderBy(t => t.Span.Start)];
        var start = Math.Min(
            trace.Before.Select(b => b.Start).DefaultIfEmpty(trace.Began).Min(),
            Math.Min(trace.Began, told.Min(t => t.Span.Start))
        );
        var end = Math.Max(told.Max(t => t.Span.End), trace.Boundary.Select(b => b.End).DefaultIfEmpty(0).Max());
        var context = trace.Root.Context;
        var emitted = new List<TraceSpan>();
        TraceAttribute[] common =
        [
            TraceAttribute.Of(TraceWords.Run, plan.Run),
            TraceAttribute.Of(TraceWords.Step, step.Step),
            TraceAttribute.Of(TraceWords.Epoch, step.Epoch),
        ];
        foreach (var (name, from, to) in trace.Before)
            emitted.Add(Spans.Emit(context, name, from, to, common));
        var forwards = new Dictionary<(ActorId, int), string>();
        foreach (var phase in told.GroupBy(t => t.Span.Phase).OrderBy(g => g.Key))
            EmitPhase(phase, context, common, forwards, emitted, step.Metrics);
        foreach (var (name, from, to) in trace.Boundary)
            emitted.Add(Spans.Emit(context, name, from, to, common));
        var metrics = step.Metrics;
        emitted.Insert(
            0,
            Spans.End(
                trace.Root,
                start,
                end,
                [
                    .. common,
                    TraceAttribute.Of("backprop.loss", metrics.Loss),
                    TraceAttribute.Of("backprop.rows", metrics.Rows),
                    TraceAttribute.Of("backprop.messages", plan.MessagesPerStep),
                    TraceAttribute.Of(TraceWords.Bytes, step.Placement.BytesThatCross(plan, metrics.Rows)),
                    TraceAttribute.Of("backprop.silos", trace.Told.Count),
                ]
            )
        );
        Count(told.Select(t => t.Span));
        return emitted;
    }

    private void EmitPhase(
        IGrouping<StepPhase, (string Silo, ShardSpan Span)> phase,
        ActivityContext root,
        TraceAttribute[] common,
        Dictionary<(ActorId, int), string> forwards,
        List<TraceSpan> emitted,
        Core.Learning.BatchMetrics metrics
    )
    {
        var (start, end) = (phase.Min(t => t.Span.Start), phase.Max(t => t.Span.End));
        if (phase.Key == StepPhase.Loss)
        {
            var (silo, span) = phase.Last();
            emitted.Add(
                Spans.Emit(
                    root,
                    SpanNames.Of(phase.Key),
                    start,
                    end,
                    [
                        .. common,
                        TraceAttribute.Of(TraceWords.Silo, silo),
                        TraceAttribute.Of("backprop.rows", metrics.Rows),
                        TraceAttribute.Of("backprop.loss", metrics.Loss),
                    ],
                    Awaited(span)
                )
            );
            return;
        }

        var parent = Spans.Emit(root, SpanNames.Of(phase.Key), start, end, common);
        emitted.Add(parent);
        var context = new ActivityContext(
            root.TraceId,
            ActivitySpanId.CreateFromString(parent.SpanId),
            ActivityTraceFlags.Recorded
        );
        foreach (var (silo, span) in phase)
        {
            var forward =
                phase.Key == StepPhase.Backward ? forwards.GetValueOrDefault((span.Actor, span.Microbatch)) : null;
            var made = Spans.Emit(
                context,
                SpanNames.Of(plan, span),
                span.Start,
                span.End,
                [.. common, .. SpanNames.Attributes(plan, span, silo)],
                Awaited(span),
                forward
            );
            emitted.Add(made);
            if (phase.Key == StepPhase.Forward)
                forwards[(span.Actor, span.Microbatch)] = made.SpanId;
        }
    }

    private static TraceEvent? Awaited(ShardSpan span) =>
        span.AwaitedLast.Length == 0
            ? null
            : new TraceEvent(
                (ulong)span.Start,
                "all arrays in",
                [
                    TraceAttribute.Of("backprop.awaited_last", span.AwaitedLast),
                    TraceAttribute.Of("backprop.waited_ns", span.Waited),
                ]
            );

    // One roll-up of a layer tells of all silos. A silo that holds one shard of such a layer tells of that one.
    private IEnumerable<(string Silo, ShardSpan Span)> Merged(List<(string Silo, ShardSpan Span)> told) =>
        told.Where(t => !IsRolled(t.Span))
            .Concat(
                told.Where(t => IsRolled(t.Span))
                    .GroupBy(t => (t.Span.Phase, t.Span.Actor.Layer, t.Span.Microbatch))
                    .Select(g =>
                        (
                            g.Select(t => t.Silo).Distinct().Count() == 1 ? g.First().Silo : $"{g.Count()} silos",
                            g.Select(t => t.Span).Aggregate((a, b) => a.With(b))
                        )
                    )
            );

    private bool IsRolled(ShardSpan span) => span.Phase != StepPhase.Loss && rollUp.Has(span.Actor.Layer);

    private static IEnumerable<ShardSpan> Shifted(StepSpans told, long began)
    {
        var late = told.Begun - began;
        var shift = late >= 0 && late <= Plausible ? 0 : late;
        return shift == 0
            ? told.Spans
            : told.Spans.Select(s =>
                s with
                {
                    Start = s.Start - shift,
                    End = s.End - shift,
                    Shortest = s.Shortest,
                    Longest = s.Longest,
                }
            );
    }

    private static void Count(IEnumerable<ShardSpan> spans)
    {
        var (kept, rolled) = (0L, 0L);
        foreach (var span in spans)
            if (span.Count == 1)
                kept++;
            else
                rolled += span.Count;
        Metrics.Spans.Add(kept, new KeyValuePair<string, object?>("fate", "kept"));
        Metrics.Spans.Add(rolled, new KeyValuePair<string, object?>("fate", "rolled_up"));
    }

    private sealed record TracedStep(int Step, int Epoch, Core.Learning.BatchMetrics Metrics, Placement Placement);

    private sealed record OpenTrace(
        RootSpan Root,
        int Term,
        long Began,
        ImmutableArray<(string Name, long Start, long End)> Before
    )
    {
        public List<StepSpans> Told { get; } = [];

        /// <summary>When the step was seen to be over, its boundary too; 0 before.</summary>
        public long Over { get; set; }

        public List<(string Name, long Start, long End)> Boundary { get; } = [];
    }
}
