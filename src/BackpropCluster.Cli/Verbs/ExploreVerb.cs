using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using BackpropCluster.Cli.CommandLine;
using BackpropCluster.Core.Learning;
using BackpropCluster.Simulation;
using BackpropCluster.Simulation.Exploration;

namespace BackpropCluster.Cli.Verbs;

/// <summary><c>explore</c>: runs the protocol's machines through histories full of faults; each must end in the
/// reference's bits.</summary>
internal static class ExploreVerb
{
    // Alone, and between silos.
    private static readonly int[] silosOfSingleFaults = [1, 2, 3];

    public static Command Create()
    {
        var seeds = Options.WholeNumber("--seeds", "Histories: each seed is one.", 1000, 1, 100_000_000);
        var seed = Seed();
        var json = Options.Json();
        var explore = new Command(
            "explore",
            "Look for faults that change a bit: every single one of a small run, then random histories"
        )
        {
            seeds,
            seed,
            json,
        };
        explore.SetAction(
            (parsed, cancellation) =>
                Run(parsed.GetValue(seeds), parsed.GetValue(seed), parsed.GetValue(json), cancellation)
        );
        return explore;
    }

    private static Task<int> Run(int seeds, ulong? only, bool json, CancellationToken cancellation)
    {
        var (explorer, tally, findings, start) = (
            new Explorer(ReferenceTrainer.Train),
            new Tally(),
            new List<Counterexample>(),
            Stopwatch.GetTimestamp()
        );
        var cases = only is null ? silosOfSingleFaults.Sum(silos => SingleFaults(silos)) : 0;
        for (var seed = only ?? 0; seed < (only is null ? (ulong)seeds : only + 1); seed++)
        {
            cancellation.ThrowIfCancellationRequested();
            if (explorer.Explore(seed, tally) is { } finding)
                Report(finding);
        }

        var (histories, seconds) = (only is null ? seeds : 1, Stopwatch.GetElapsedTime(start).TotalSeconds);
        if (json)
            Print(cases, histories, tally, findings, seconds);
        else if (findings.Count == 0)
            System.Console.Out.WriteLine(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"{cases} single faults and {histories} random histories in {seconds:0.0} s, all in the "
                        + $"reference's bits: {tally}"
                )
            );
        if (findings.Count > 0)
            throw new CommandFailedException(
                ExitCode.VerificationFailed,
                $"{findings.Count} of {cases + histories} histories did not end as they must. One seed replays by "
                    + $"itself: explore --seed S. Please report it."
            );
        return Task.FromResult(ExitCode.Done);

        int SingleFaults(int silos)
        {
            cancellation.ThrowIfCancellationRequested();
            var (count, found) = explorer.ExploreSingleFaults(silos, tally);
            foreach (var finding in found)
                Report(finding);
            return count;
        }

        void Report(Counterexample finding)
        {
            findings.Add(finding);
            if (!json)
                System.Console.Out.WriteLine(finding);
        }
    }

    private static void Print(int cases, int seeds, Tally tally, List<Counterexample> findings, double seconds) =>
        Output.Json(
            new
            {
                singleFaults = cases,
                seeds,
                tally.Deliveries,
                tally.Losses,
                tally.Repeats,
                tally.Delays,
                tally.Crashes,
                tally.SiloLosses,
                tally.CoordinatorCrashes,
                tally.StoreFaults,
                tally.Recoveries,
                tally.Moves,
                tally.ReplayedSteps,
                failures = findings.Select(f => new
                {
                    f.Seed,
                    f.Reason,
                    scenario = f.Scenario.ToString(),
                    faults = string.Join(", ", f.Faults),
                    f.Events,
                }),
                seconds = Math.Round(seconds, 3),
            }
        );

    private static Option<ulong?> Seed() =>
        new("--seed")
        {
            Description = "Only the history of this seed; what fails is printed as the fewest events that fail.",
            CustomParser = result =>
            {
                if (
                    ulong.TryParse(
                        result.Tokens[0].Value,
                        NumberStyles.None,
                        CultureInfo.InvariantCulture,
                        out var value
                    )
                )
                    return value;
                result.AddError(
                    $"--seed got '{result.Tokens[0].Value}', expected a whole number from 0 to {ulong.MaxValue}."
                );
                return null;
            },
        };
}
