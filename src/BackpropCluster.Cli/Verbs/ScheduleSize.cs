using System.CommandLine;
using System.Globalization;
using BackpropCluster.Cli.CommandLine;
using BackpropCluster.Core.Layout;
using BackpropCluster.Core.Layout.Checking;

namespace BackpropCluster.Cli.Verbs;

/// <summary>The options that say how large a schedule is, and how long its actions take.</summary>
internal sealed class ScheduleSize
{
    private const int MostTicks = 1_000_000;

    public Option<int?> Ranks { get; } = Count("--ranks", "Devices in a row.", 4096);

    public Option<int?> StagesPerRank { get; } =
        Count("--stages-per-rank", "Stages on each; what the schedule needs if not given.", 1024);

    public Option<int?> Microbatches { get; } = Count("--microbatches", "Parts of a step's batch.", 1_000_000);

    /// <summary>A whole number from 1 that need not be given.</summary>
    public static Option<int?> Count(string name, string description, int to) =>
        new(name)
        {
            Description = description,
            CustomParser = result =>
            {
                var text = result.Tokens[0].Value;
                if (TryParse(text, 1, to, out var value))
                    return value;
                result.AddError(
                    string.Create(
                        CultureInfo.InvariantCulture,
                        $"{name} got '{text}', expected a whole number from 1 to {to}."
                    )
                );
                return null;
            },
        };

    /// <summary>A list such as "f=2,i=2,w=1,link=3".</summary>
    public static Option<ActionTimes> Times() =>
        new("--times")
        {
            Description = "Ticks of F, I, W and of a message between ranks: f=1,i=1,w=1,link=0. B takes I and W.",
            DefaultValueFactory = _ => ActionTimes.Unit,
            CustomParser = result =>
            {
                var times = new Dictionary<string, int>
                {
                    ["f"] = 1,
                    ["i"] = 1,
                    ["w"] = 1,
                    ["link"] = 0,
                };
                var given = new HashSet<string>();
                foreach (var pair in result.Tokens[0].Value.Split(','))
                    if (
                        pair.Split('=') is [var key, var text]
                        && times.TryGetValue(key, out var standard)
                        && given.Add(key)
                        && TryParse(text, standard, MostTicks, out var ticks)
                    )
                        times[key] = ticks;
                    else
                        result.AddError(
                            string.Create(
                                CultureInfo.InvariantCulture,
                                $"--times got '{pair}', expected f, i or w = 1 to {MostTicks} or link = 0 to "
                                    + $"{MostTicks}, each once, such as f=1,i=1,w=1,link=0."
                            )
                        );
                return new ActionTimes(times["f"], times["i"], times["w"], times["link"]);
            },
        };

    /// <summary>The size for a generator.</summary>
    /// <exception cref="CommandFailedException">Ranks or microbatches are not given.</exception>
    public ScheduleShape Required(ParseResult parsed, string name, int stagesPerRank) =>
        (parsed.GetValue(Ranks), parsed.GetValue(Microbatches)) is ({ } ranks, { } microbatches)
            ? new ScheduleShape(ranks, parsed.GetValue(StagesPerRank) ?? stagesPerRank, microbatches)
            : throw new CommandFailedException(
                ExitCode.Usage,
                $"{name} is made for a size, got none. Nothing was made. Give --ranks P and --microbatches M."
            );

    /// <summary>How a file's size differs from the one that was given, if one was.</summary>
    public ScheduleRefusal? Differs(ParseResult parsed, ScheduleReport report)
    {
        (string What, int? Given, int? Found)[] sizes =
        [
            ("ranks", parsed.GetValue(Ranks), report.Ranks),
            ("stages", parsed.GetValue(StagesPerRank) * report.Ranks, report.Stages),
            ("microbatches", parsed.GetValue(Microbatches), report.Microbatches),
        ];
        return sizes
            .Where(size => size.Given is not null && size.Found is not null && size.Given != size.Found)
            .Select(size => new ScheduleRefusal(
                null,
                null,
                null,
                string.Create(CultureInfo.InvariantCulture, $"{size.Found} {size.What}, expected {size.Given}")
            ))
            .FirstOrDefault();
    }

    private static bool TryParse(string text, int from, int to, out int value) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out value) && value >= from && value <= to;
}
