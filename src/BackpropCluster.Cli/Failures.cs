using BackpropCluster.Core.Protocol;
using BackpropCluster.Grains;

namespace BackpropCluster.Cli;

/// <summary>What a user is told when a run failed.</summary>
internal static class Failures
{
    public static CommandFailedException Of(RunProgress last, string run)
    {
        var failure = last.Failure ?? throw new ArgumentException("the run did not fail", nameof(last));
        var committed = $"{last.CommittedSteps} of {last.Steps} steps were committed; their parameters are gone.";
        return failure.Kind switch
        {
            FailureKind.NotFinite => new(ExitCode.TrainingFailed, $"run {run} diverged: {failure.Reason}. {committed} Try a smaller optimizer.learning_rate."),
            FailureKind.Divergence => new(ExitCode.VerificationFailed, $"run {run} contradicts itself: {failure.Reason}. No number of it can be trusted; please report it."),
            FailureKind.Lost => new(ExitCode.ClusterLost, $"run {run} was given up: {failure.Reason}. {committed} Start it again when the silos are steady, or raise cluster.step_deadline."),
            _ => throw new InvalidOperationException($"run {run} met a bug of ours: {failure.Reason} ({failure.Key})"),
        };
    }
}
