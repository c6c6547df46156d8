using System.CommandLine;
using BackpropCluster.Cli.CommandLine;
using BackpropCluster.Cli.Learn;
using BackpropCluster.Core;
using BackpropCluster.Core.Protocol;
using BackpropCluster.Grains.Client;
using BackpropCluster.Grains.Clustering;
using Microsoft.Extensions.DependencyInjection;

namespace BackpropCluster.Cli.Verbs;

/// <summary><c>learn mazur</c>: the tutorial on real grains, every message as lines with formula and numbers.</summary>
internal static class LearnVerb
{
    private static readonly TimeSpan StepDeadline = TimeSpan.FromSeconds(10);

    public static Command Create()
    {
        var rounds = Options.WholeNumber("--rounds", "How many rounds to train.", 1, 1, 10_000_000);
        var update = new Option<string>("--update")
        {
            Description = "When outgoing weights change.",
            DefaultValueFactory = _ => "after-backward",
        }.AcceptOnlyFromAmong("after-backward", "during-backward");
        var granularity = new Option<string>("--granularity")
        {
            Description = "What one grain holds.",
            DefaultValueFactory = _ => "neuron",
        }.AcceptOnlyFromAmong("neuron", "layer");
        var silos = Options.Silos();
        var json = Options.Json();
        var mazur = new Command("mazur", "M. Mazur's step by step example, each message with its numbers")
        {
            rounds,
            update,
            granularity,
            silos,
            json,
        };
        mazur.SetAction(
            (parsed, cancellation) =>
                Run(
                    parsed.GetValue(rounds),
                    parsed.GetValue(update) == "after-backward"
                        ? UpdateOrder.AfterBackward
                        : UpdateOrder.DuringBackward,
                    parsed.GetValue(granularity) == "neuron" ? Granularity.Neuron : Granularity.Layer,
                    parsed.GetValue(silos),
                    parsed.GetValue(json),
                    cancellation
                )
        );
        return new Command("learn", "See backpropagation happen") { mazur };
    }

    private static async Task<int> Run(
        int rounds,
        UpdateOrder update,
        Granularity granularity,
        int silos,
        bool json,
        CancellationToken cancellation
    )
    {
        var recorder = new Recorder();
        await using var cluster = await EmbeddedCluster.Start(
            silos,
            configure: services => services.AddSingleton<ITrainingObserver>(recorder),
            cancellation: cancellation
        );
        Task<LearnedRun> Train(UpdateOrder order) =>
            LearnedRun.Train(cluster.Grains, recorder, rounds, order, granularity, StepDeadline, cancellation);
        var asked = await Train(update);
        if (json)
        {
            Output.Json(
                new
                {
                    rounds,
                    update = update == UpdateOrder.AfterBackward ? "after-backward" : "during-backward",
                    granularity = granularity.ToString(),
                    silos,
                    asked.LossBefore,
                    asked.LossAfter,
                    outputs = asked.OutputsAfter,
                    asked.Weights,
                    steps = rounds <= Tutorial.RoundsToldInFull ? asked.Rounds.Select(Named) : [],
                    weightsSha256 = asked.Result.WeightsSha256,
                }
            );
            return ExitCode.Done;
        }

        var other = await Train(
            update == UpdateOrder.AfterBackward ? UpdateOrder.DuringBackward : UpdateOrder.AfterBackward
        );
        var report = new LearnReport(Output.Console);
        report.Round(asked.Rounds[0], update);
        var (after, during) = update == UpdateOrder.AfterBackward ? (asked, other) : (other, asked);
        report.Closing(after, during, rounds);
        return ExitCode.Done;
    }

    private static Dictionary<string, double> Named(TutorialRound round)
    {
        var named = new Dictionary<string, double> { ["round"] = round.Round };
        foreach (var quantity in round.Quantities)
            named.Add(quantity.Name, quantity.Value);
        return named;
    }
}
