using System.Collections.Concurrent;
using BackpropCluster.Cli.CommandLine;
using BackpropCluster.Core;
using BackpropCluster.Core.Learning;
using BackpropCluster.Core.Protocol;
using BackpropCluster.Grains.Client;

namespace BackpropCluster.Cli.Learn;

/// <summary>The tutorial trained on real grains, with everything that they said about the rounds that are
/// told.</summary>
internal sealed class LearnedRun
{
    private LearnedRun(
        UpdateOrder update,
        TrainingOutcome outcome,
        TrainingResult result,
        IReadOnlyList<Observation> observations
    )
    {
        (Update, Outcome, Result) = (update, outcome, result);
        var rounds = result.Steps.Length;
        double[] inputs = [0.05, 0.10];
        Rounds =
        [
            .. observations
                .Where(o => o.Key.Phase != Phase.Evaluate && o.Key.Step <= Tutorial.RoundsToldInFull)
                .GroupBy(o => o.Key.Step)
                .OrderBy(g => g.Key)
                .Select(g => TutorialRound.From(g.Key, g, inputs)),
        ];
        OutputsAfter = observations
            .OfType<LossComputed>()
            .Single(o => o.Key.Phase == Phase.Evaluate && o.Key.Step == rounds)
            .Y;
    }

    public UpdateOrder Update { get; }
    public TrainingOutcome Outcome { get; }
    public TrainingResult Result { get; }

    /// <summary>The first rounds, at most <see cref="Tutorial.RoundsToldInFull"/>.</summary>
    public IReadOnlyList<TutorialRound> Rounds { get; }

    /// <summary>E of the last round's forward pass, before its update.</summary>
    public double LossBefore => Result.Steps[^1].Loss;

    /// <summary>E after the last update.</summary>
    public double LossAfter => Result.Evaluations[^1].Score.Loss;

    /// <summary>o1 and o2 after the last update.</summary>
    public IReadOnlyList<double> OutputsAfter { get; }

    /// <summary>w1 … w8 after the last update.</summary>
    public double[] Weights => [.. Result.Parameters.SelectMany(layer => layer.Weights)];

    /// <summary>Trains so many rounds on silos whose observer is <paramref name="observer"/>.</summary>
    public static async Task<LearnedRun> Train(
        IGrainFactory grains,
        Recorder observer,
        int rounds,
        UpdateOrder update,
        Granularity granularity,
        TimeSpan deadline,
        CancellationToken cancellation
    )
    {
        var plan = Tutorial.Plan(rounds, update, granularity);
        var outcome = await TrainingClient.Train(grains, plan, deadline, cancellation: cancellation);
        var result = outcome.Result ?? throw Failures.Of(outcome.Last, plan.Run);
        return new LearnedRun(update, outcome, result, observer.Of(plan.Fingerprint, outcome.Last.Term));
    }
}

/// <summary>Keeps what actors computed in traced steps.</summary>
internal sealed class Recorder : ITrainingObserver
{
    private readonly ConcurrentQueue<Observation> observations = new();

    public void Observe(Observation observation) => observations.Enqueue(observation);

    /// <summary>The observations of one run's last term: after a recovery the earlier ones would tell rounds
    /// twice.</summary>
    public IReadOnlyList<Observation> Of(ulong fingerprint, int term) =>
        [.. observations.Where(o => o.Key.Run == fingerprint && o.Key.Term == term)];
}
