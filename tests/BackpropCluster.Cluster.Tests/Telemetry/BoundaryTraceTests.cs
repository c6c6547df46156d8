using System.Collections.Concurrent;
using System.Text;
using System.Text.Json;
using BackpropCluster.Cli.Runs;
using BackpropCluster.Cli.Traces;
using BackpropCluster.Core;
using BackpropCluster.Core.Learning;
using BackpropCluster.Core.Protocol;
using BackpropCluster.Grains.Client;
using BackpropCluster.Grains.Coordination;
using BackpropCluster.Grains.Telemetry;

namespace BackpropCluster.ClusterTests.Telemetry;

/// <summary>A silo that is lost, or joins, makes the next step be traced, with what happened as its first child. Each
/// test has a cluster of its own.</summary>
public sealed class BoundaryTraceTests
{
    private const int Traced = 2;
    private static readonly TimeSpan StepDeadline = TimeSpan.FromSeconds(10);
    private readonly ConcurrentDictionary<string, TraceSpan> told = [];

    [Fact]
    public async Task AfterALostSiloTheFirstStepIsTracedWithTheRecovery()
    {
        await using var silos = new ThreeSilos();
        await silos.InitializeAsync();
        var killed = Task.CompletedTask;
        var outcome = await Train(
            silos,
            Plan("trace-lost", CheckpointRule.None),
            progress =>
            {
                if (progress.CommittedSteps < 20 || killed != Task.CompletedTask)
                    return;
                var victim = silos.Cluster.Silos.First(s =>
                    s.SiloAddress.ToParsableString() != progress.Placement!.CoordinatorSilo
                    && progress.Placement.Uses(s.SiloAddress.ToParsableString())
                );
                killed = silos.Cluster.KillSiloAsync(victim, TestContext.Current.CancellationToken);
            }
        );
        await killed;
        Assert.True(outcome.Last.Recoveries > 0, "the run did not notice that a silo was gone");

        // Nothing was saved, so it began again: of step 1 there are two traces.
        var trace = Disturbed("recover");
        Assert.Equal(1, trace[0].Step);
        Assert.Equal(2, WholeTrace.Whole(trace.Single(s => s.ParentSpanId is null), "backprop.silos"));
    }

    [Fact]
    public async Task WhenASiloJoinsTheFirstStepOnAllOfThemIsTracedWithTheMove()
    {
        await using var silos = new ThreeSilos();
        await silos.InitializeAsync();
        var joined = Task.CompletedTask;
        var outcome = await Train(
            silos,
            Plan("trace-join", new CheckpointRule(1_000_000, TimeSpan.Zero)),
            progress =>
            {
                if (progress.CommittedSteps >= 20 && joined == Task.CompletedTask)
                    joined = silos.Cluster.StartAdditionalSiloAsync();
            }
        );
        await joined;
        Assert.Equal((1, 0, 0), (outcome.Last.Moves, outcome.Last.Recoveries, outcome.Last.ReplayedSteps));
        var trace = Disturbed("change placement");
        Assert.InRange(trace[0].Step!.Value, 21, outcome.Last.Steps);
        Assert.Equal(4, WholeTrace.Whole(trace.Single(s => s.ParentSpanId is null), "backprop.silos"));
    }

    private static RunPlan Plan(string name, CheckpointRule rule) =>
        Tables.Plan(Runs.Uneven(1, epochs: 600), Granularity.Neuron, name) with
        {
            Checkpoints = rule,
            Trace = new TraceSpec(Traced, 0),
        };

    private async Task<TrainingOutcome> Train(Silos silos, RunPlan plan, Action<RunProgress> watch)
    {
        var outcome = await TrainingClient.Train(
            silos.Grains,
            plan,
            StepDeadline,
            Watch,
            cancellation: TestContext.Current.CancellationToken
        );
        Assert.True(outcome.Result is not null, $"the run failed: {outcome.Last.Failure?.Reason}");
        Assert.Equal(
            ReferenceTrainer.Train(plan.Spec, Tables.Open(plan.Spec)).WeightsSha256,
            outcome.Result.WeightsSha256
        );
        return outcome;

        void Watch(RunProgress progress)
        {
            foreach (
                var line in progress.NewTraces.SelectMany(t =>
                    Encoding.UTF8.GetString(t).Split('\n', StringSplitOptions.RemoveEmptyEntries)
                )
            )
            // A client whose call was lost with a silo asks again, and is told again what it has.
            foreach (var span in OtlpJsonReader.SpansOf(Encoding.UTF8.GetBytes(line)))
                told[span.SpanId] = span;
            watch(progress);
        }
    }

    /// <summary>The trace of the first step after something happened: a child of its root that ends before the step's
    /// own phases begin.</summary>
    private List<TraceSpan> Disturbed(string what)
    {
        var traces = WholeTrace.Steps(told.Values);
        Assert.All(traces, trace => WholeTrace.Check(trace));
        var trace = Assert.Single(traces, t => t.Exists(s => s.Name == what));
        var (root, happened) = (trace.Single(s => s.ParentSpanId is null), trace.First(s => s.Name == what));
        Assert.Equal((root.SpanId, root.StartUnixNano), (happened.ParentSpanId, happened.StartUnixNano));
        Assert.True(
            happened.EndUnixNano <= trace.Where(s => s.Name == "forward").Min(s => s.StartUnixNano),
            $"'{what}' went on while the step was computed"
        );
        Assert.InRange(happened.DurationNano, 1, long.MaxValue);
        // The others are those that the run asked for, and each attempt at a step has a trace of its own.
        Assert.All(traces.Where(t => t != trace), t => Assert.InRange(t[0].Step!.Value, 1, Traced));
        return trace;
    }
}
