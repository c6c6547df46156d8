using BackpropCluster.Core.Protocol;
using BackpropCluster.Grains.Coordination;

namespace BackpropCluster.Cli.CommandLine;

/// <summary>What a user is told when a run did not complete.</summary>
internal static class Failures
{
    /// <param name="last">What its coordinator said last.</param>
    /// <param name="run">Its id.</param>
    /// <param name="resume">The command that goes on with it; <see langword="null"/> for a run that is never
    /// saved.</param>
    public static CommandFailedException Of(RunProgress last, string run, string? resume = null)
    {
        if (last.Status == RunStatus.Interrupted)
            return resume is null
                ? new(ExitCode.Interrupted, $"interrupted after {last.CommittedSteps} steps; nothing was saved.")
                : new(
                    ExitCode.Interrupted,
                    $"run {run} was interrupted and saved at step {last.SavedVersion} of {last.Steps}. Go on with: "
                        + $"{resume}"
                );

        var failure = last.Failure ?? throw new ArgumentException("the run did not fail", nameof(last));
        var kept =
            resume is null || last.SavedVersion == 0
                ? "Nothing was saved."
                : $"The checkpoint of step {last.SavedVersion} is kept.";
        return failure.Kind switch
        {
            FailureKind.NotFinite => new(
                ExitCode.TrainingFailed,
                $"run {run} diverged: {failure.Reason}. {last.CommittedSteps} of {last.Steps} steps were committed. "
                    + $"{kept} Try a smaller optimizer.learning_rate."
            ),
            FailureKind.Divergence => new(
                ExitCode.VerificationFailed,
                $"run {run} contradicts itself: {failure.Reason}. No number of it can be trusted; please report it."
            ),
            FailureKind.Lost => new(
                ExitCode.ClusterLost,
                $"run {run} was given up: {failure.Reason}. {kept} When the silos are steady, or with a larger "
                    + $"cluster.step_deadline or cluster.give_up_after, go on with: {resume}"
            ),
            FailureKind.Fenced => new(
                ExitCode.ClusterLost,
                $"run {run} was fenced: {failure.Reason}. Another coordinator leads it; what that one saves counts."
            ),
            // Of a coordinator that found no silo with the rows, and so never looked at what earlier ones had saved.
            FailureKind.Data => new(
                ExitCode.File,
                $"run {run} cannot be trained: {failure.Reason}. "
                    + $"{(resume is not null && last.SavedVersion == 0 ? "What was saved is kept." : kept)} Put the "
                    + $"files where every silo can read them, then go on with: {resume}"
            ),
            FailureKind.Store => new(
                ExitCode.File,
                $"run {run} cannot be saved: {failure.Reason}. {kept} When the folder can be written again, go on "
                    + $"with: {resume}"
            ),
            _ => throw new InvalidOperationException(
                $"run {run} met an internal error: {failure.Reason} ({failure.Key})"
            ),
        };
    }
}
