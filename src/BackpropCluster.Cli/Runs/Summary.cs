using BackpropCluster.Core.Learning;
using BackpropCluster.Core.Protocol;
using BackpropCluster.Grains.Client;

namespace BackpropCluster.Cli.Runs;

/// <summary>What <c>train --json</c> prints.</summary>
internal sealed record Summary
{
    public required string Run { get; init; }
    public required string Status { get; init; }
    public required string Granularity { get; init; }
    public required int Shards { get; init; }
    public required int Silos { get; init; }

    /// <summary>Updates applied.</summary>
    public required int Steps { get; init; }
    public required int Epochs { get; init; }

    /// <summary>The last step's batch, before its update.</summary>
    public required MetricsSummary Train { get; init; }
    public required MetricsSummary? Test { get; init; }
    public required string WeightsSha256 { get; init; }

    /// <summary>The training alone: silo start and data loading are not in it.</summary>
    public required double Seconds { get; init; }
    public required double StepsPerSecond { get; init; }
    public required double SamplesPerSecond { get; init; }
    public required MessageSummary Messages { get; init; }
    public required int Recoveries { get; init; }

    /// <summary>Times that actors moved because silos came or left.</summary>
    public required int Moves { get; init; }
    public required int ReplayedSteps { get; init; }
    public required long StaleMessages { get; init; }

    /// <summary>The step whose checkpoint this process began with; 0 for the initial weights.</summary>
    public required int ResumedFrom { get; init; }

    public static Summary Of(TrainingOutcome outcome)
    {
        var (plan, last, result) = (outcome.Plan, outcome.Last, outcome.Result!);
        // A run that was complete before takes no time to train; a rate of it is 0.
        var seconds = last.Elapsed > TimeSpan.Zero ? last.Elapsed.TotalSeconds : double.PositiveInfinity;
        var traffic = outcome.Traffic;
        return new Summary
        {
            Run = plan.Run,
            Status = "completed",
            Granularity = plan.Granularity.ToString(),
            Shards = plan.ShardCount,
            Silos = last.Placement!.Silos.Length,
            Steps = last.CommittedSteps,
            Epochs = last.Epoch,
            Train = MetricsSummary.Of(result.Steps[^1]),
            Test = result.Evaluations.Length > 0 ? MetricsSummary.Of(result.Evaluations[^1].Score) : null,
            WeightsSha256 = result.WeightsSha256,
            Seconds = last.Elapsed.TotalSeconds,
            StepsPerSecond = (last.CommittedSteps - last.FirstVersion) / seconds,
            SamplesPerSecond = result.Steps.Skip(last.FirstVersion).Sum(s => (long)s.Rows) / seconds,
            Messages = new MessageSummary(
                traffic.Local,
                traffic.Remote,
                (traffic.Local + traffic.Remote) / seconds,
                traffic.RemoteBytes,
                traffic.Crossings
            ),
            Recoveries = last.Recoveries,
            Moves = last.Moves,
            ReplayedSteps = last.ReplayedSteps,
            StaleMessages = last.StaleMessages,
            ResumedFrom = last.FirstVersion,
        };
    }
}

/// <param name="Loss">Mean over the rows.</param>
/// <param name="Accuracy">Share of rows whose class was named; <see langword="null"/> for real targets.</param>
internal sealed record MetricsSummary(double Loss, double? Accuracy)
{
    public static MetricsSummary Of(BatchMetrics metrics) => new(metrics.Loss, metrics.Accuracy);
}

/// <param name="Local">Logical messages within a silo.</param>
/// <param name="Remote">Logical messages between silos.</param>
/// <param name="PerSecond">Both, over the training's seconds.</param>
/// <param name="RemoteBytes">Bytes of the arrays that crossed, each once for each receiving silo.</param>
/// <param name="Crossings">How many arrays crossed.</param>
internal sealed record MessageSummary(long Local, long Remote, double PerSecond, long RemoteBytes, long Crossings);
