using System.Diagnostics;
using BackpropCluster.Cli.Runs;
using BackpropCluster.Core;
using BackpropCluster.Core.Protocol;
using BackpropCluster.Grains.Telemetry;
using CsCheck;

namespace BackpropCluster.Tests.Telemetry;

/// <summary>How the traces of a run are put together from what its silos tell, whatever their clocks say and whoever is
/// lost.</summary>
public sealed class StepTracerTests
{
    private const long Second = 1_000_000_000;

    [Theory]
    [InlineData(300_000), InlineData(-300_000), InlineData(3_600_000), InlineData(-150), InlineData(150)]
    public void ASiloWhoseClockIsOffIsSetByTheMessageThatBeganTheStep(long milliseconds)
    {
        var run = Tutorial(silos: 2);
        var (here, there) = (run.Tell(0, run.Step), run.Tell(1, run.Step));
        run.Tracer.Add(here);
        run.Tracer.Add(Shifted(there, milliseconds));
        run.Commit();
        var spans = Assert.Single(run.Finish());
        var root = WholeTrace.Check(spans);
        Assert.Equal(17, spans.Count);
        Assert.True(root.DurationNano < Second, $"the step is shown as {root.DurationNano / 1e9} s long");
        foreach (var span in there.Spans.Where(s => s.Phase != StepPhase.Loss))
            Assert.Contains(spans, s => s.Silo == "silo-2" && s.DurationNano == span.End - span.Start);
    }

    /// <summary>Within what a message may have been on its way, nobody knows better than the silo itself.</summary>
    [Fact]
    public void ASiloThatHeardOfTheStepALittleLaterKeepsItsTimes()
    {
        var run = Tutorial(silos: 2);
        var (here, there) = (run.Tell(0, run.Step), Shifted(run.Tell(1, run.Step), 50));
        run.Tracer.Add(here);
        run.Tracer.Add(there);
        run.Commit();
        var spans = Assert.Single(run.Finish());
        WholeTrace.Check(spans);
        Assert.All(
            there.Spans.Where(s => s.Phase == StepPhase.Forward),
            span => Assert.Contains(spans, s => s.Silo == "silo-2" && s.StartUnixNano == (ulong)span.Start)
        );
    }

    [Fact]
    public void ATraceIsWrittenWhenTheLastSiloHasToldAndNotBefore()
    {
        var run = Tutorial(silos: 2);
        var step = run.Step;
        run.Tracer.Add(run.Tell(0, step));
        run.Commit();
        Assert.Empty(run.Finish());
        run.Tracer.Add(run.Tell(1, step));
        Assert.Equal(17, Assert.Single(run.Finish()).Count);
        Assert.Equal(0, run.Tracer.Pending);
    }

    /// <summary>A wide model's step may take minutes: its trace waits for as long as the step does.</summary>
    [Fact]
    public void AStepThatTakesLongKeepsItsTrace()
    {
        var run = Tutorial(silos: 2);
        var step = run.Step;
        run.Tracer.Add(run.Tell(0, step));
        run.Now += 60 * Second;
        Assert.Empty(run.Finish());
        run.Tracer.Add(run.Tell(1, step));
        run.Commit();
        Assert.Equal(17, Assert.Single(run.Finish()).Count);
    }

    /// <summary>The shards of a wide model apply a step's update while they are saved, which may take long as
    /// well.</summary>
    [Fact]
    public void AStepWhoseCheckpointTakesLongKeepsItsTrace()
    {
        var plan = Tutorial(silos: 2).Plan;
        var run = new CoordinatorHarness(plan with { Checkpoints = new CheckpointRule(1, TimeSpan.Zero) }, 2);
        var step = run.Step;
        run.Tracer.Add(run.Tell(0, step));
        run.Commit();
        Assert.Equal(RunStatus.Saving, run.State.Status);
        Assert.Empty(run.Finish());
        run.Now += 60 * Second;
        Assert.Empty(run.Finish());
        run.State.Receive(
            new StoreFailed(
                step with
                {
                    From = ActorId.Store,
                    Phase = Phase.Save,
                },
                StoreFault.Refused,
                "the disk is full"
            ),
            run
        );
        Assert.Equal(RunStatus.Training, run.State.Status);
        Assert.Empty(run.Finish());
        run.Tracer.Add(run.Tell(1, step));
        Assert.Equal(17, Assert.Single(run.Finish()).Count);
    }

    [Fact]
    public void ASiloThatTellsNothingIsWaitedForThreeSecondsAfterTheCommitAndThenItIsSaid()
    {
        var run = Tutorial(silos: 2);
        run.Tracer.Add(run.Tell(0, run.Step));
        run.Commit();
        Assert.Empty(run.Finish());
        run.Now += 4 * Second;
        var spans = Assert.Single(run.Finish());
        Assert.Equal(1, WholeTrace.Whole(WholeTrace.Check(spans), "backprop.silos"));
    }

    [Fact]
    public void AStepThatIsBegunAgainHasOneTraceWhoseFirstSpanIsTheRecovery()
    {
        using var exporter = new Exporter();
        var run = Tutorial(silos: 2);
        var (first, told) = (run.Step, run.Tell(0, run.Step));
        run.Tracer.Add(told);
        run.Tracer.Before("recover", run.Now);
        run.Recover();
        Assert.Equal((first.Step, first.Term + 1), (run.Step.Step, run.Step.Term));

        // Late, as one-way messages may be.
        run.Tracer.Add(told);
        var again = run.Step;
        run.Tracer.Add(run.Tell(0, again));
        run.Commit();
        Assert.Empty(run.Finish());
        run.Tracer.Add(run.Tell(1, again));
        var spans = Assert.Single(run.Finish());
        WholeTrace.Check(spans);
        Assert.Equal(
            "recover",
            spans.Where(s => s.ParentSpanId is not null).OrderBy(s => s.StartUnixNano).First().Name
        );
        Assert.Equal(18, spans.Count);

        // What was begun and given up is no root in anybody's collector.
        Assert.Equal(
            spans.Select(s => s.SpanId).Order(),
            exporter.Of(spans[0].TraceId).Select(a => a.SpanId.ToHexString()).Order()
        );
        Assert.Empty(exporter.Of(TraceIdOf(first)));
    }

    [Fact]
    public void ATraceThatNobodyToldAnythingOfIsNoRootInACollector()
    {
        using var exporter = new Exporter();
        var run = Tutorial(silos: 2);
        var step = run.Step;
        run.Commit();
        Assert.Empty(run.Finish());
        run.Now += 4 * Second;
        Assert.Empty(run.Finish());
        Assert.Equal(0, run.Tracer.Pending);
        Assert.Empty(exporter.Of(TraceIdOf(step)));
    }

    [Fact]
    public void WhatHappensAtTheBoundaryIsAChildOfTheStepBeforeIt()
    {
        var run = Tutorial(silos: 1);
        var step = run.Step;
        run.Commit();
        run.Tracer.After(1, "evaluate", run.Now, run.Now + Second);
        run.Tracer.After(1, "save checkpoint", run.Now + Second, run.Now + (2 * Second));
        run.Tracer.Add(run.Tell(0, step));
        var spans = Assert.Single(run.Finish());
        var root = WholeTrace.Check(spans);
        foreach (var name in (string[])["evaluate", "save checkpoint"])
            Assert.Equal(
                (root.SpanId, Second),
                (spans.Single(s => s.Name == name).ParentSpanId, spans.Single(s => s.Name == name).DurationNano)
            );
    }

    /// <summary>Whatever the model, the cut and the number of silos: no trace exceeds its bound, and each shard is
    /// counted once a phase.</summary>
    [Fact]
    public void ATraceKeepsToItsBoundAndCountsEveryShard() =>
        Gen.Select(Gen.OneOf(Gen.Int[1, 5], Gen.Int[1, 60]).Array[1, 4], Gen.Int[1, 4], Gen.Int[1, 3], Gen.Int[40, 200])
            .Sample(
                (units, silos, microbatches, maxSpans) =>
                {
                    var spec = Runs.Uneven(batch: 3, microbatches: microbatches);
                    spec = spec with
                    {
                        Model = spec.Model with
                        {
                            Layers = [.. units.Select(u => Runs.Layer(u, Core.Learning.Activation.Tanh))],
                        },
                    };
                    var plan = new RunPlan
                    {
                        Run = "wide",
                        Fingerprint = 1,
                        Spec = spec,
                        Granularity = Granularity.Neuron,
                        Features = 7,
                        TrainingRows = 12,
                        TestRows = 0,
                        HasClasses = false,
                        Trace = new TraceSpec(1, 0, TraceDetail.Times, maxSpans),
                    };
                    var run = new CoordinatorHarness(plan, silos);
                    for (var silo = 0; silo < silos; silo++)
                        if (run.State.Placement!.ActorsOn(plan, silo).Any(p => p.Kind != ActorRole.Source))
                            run.Tracer.Add(run.Tell(silo, run.Step));
                    run.Commit();
                    var spans = Assert.Single(run.Finish());
                    WholeTrace.Check(spans);
                    Assert.True(spans.Count <= maxSpans, $"{spans.Count} spans of at most {maxSpans}");
                    foreach (
                        var (verb, times) in new[]
                        {
                            ("forward ", microbatches),
                            ("backward ", microbatches),
                            ("update ", 1),
                        }
                    )
                        Assert.Equal(
                            units.Sum() * times,
                            spans
                                .Where(s => s.Name.StartsWith(verb, StringComparison.Ordinal))
                                .Sum(s => s.Find("backprop.rolled_up.count")?.Whole ?? 1)
                        );
                },
                iter: 200
            );

    private static CoordinatorHarness Tutorial(int silos)
    {
        var spec = Runs.Mazur(10, UpdateOrder.AfterBackward);
        var plan = Runs.Plan(spec, Runs.BuiltIn(spec), Granularity.Neuron) with { Trace = new TraceSpec(1, 0) };
        return new CoordinatorHarness(plan, silos);
    }

    private static StepSpans Shifted(StepSpans told, long milliseconds)
    {
        var shift = milliseconds * 1_000_000;
        return told with
        {
            Begun = told.Begun + shift,
            Spans = [.. told.Spans.Select(s => s with { Start = s.Start + shift, End = s.End + shift })],
        };
    }

    private static string TraceIdOf(MessageKey key) => $"{key.Trace.High:x16}{key.Trace.Low:x16}";

    /// <summary>Takes what an exporter would: activities that ended, with all their data, and are recorded.</summary>
    private sealed class Exporter : IDisposable
    {
        private readonly List<Activity> ended = [];
        private readonly ActivityListener listener;

        public Exporter()
        {
            listener = new ActivityListener
            {
                ShouldListenTo = source => source.Name == "BackpropCluster",
                Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllDataAndRecorded,
                ActivityStopped = activity =>
                {
                    lock (ended)
                        if (activity is { IsAllDataRequested: true, Recorded: true })
                            ended.Add(activity);
                },
            };
            ActivitySource.AddActivityListener(listener);
        }

        public List<Activity> Of(string traceId)
        {
            lock (ended)
                return [.. ended.Where(a => a.TraceId.ToHexString() == traceId)];
        }

        public void Dispose() => listener.Dispose();
    }
}
