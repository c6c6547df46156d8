using System.CommandLine;
using System.Globalization;
using BackpropCluster.Cli.CommandLine;
using BackpropCluster.Cli.Schedules;
using BackpropCluster.Core.Layout;
using BackpropCluster.Core.Layout.Checking;
using BackpropCluster.Core.Layout.Generators;
using BackpropCluster.Core.Layout.Lowering;

namespace BackpropCluster.Cli.Verbs;

/// <summary><c>schedule list|show|check|export</c>: what each rank of a pipeline does when, before anything
/// runs.</summary>
internal static class ScheduleVerb
{
    // A file has no width; eighty columns fit everywhere.
    private const int ColumnsOfAFile = 80;
    private const string Correct = "Correct the program of that rank.";

    public static Command Create() =>
        new("schedule", "Look at pipeline schedules: what each rank does when, what it costs, who waits for whom")
        {
            ListCommand(),
            ShowCommand(),
            CheckCommand(),
            ExportCommand(),
        };

    private static Command ListCommand()
    {
        var json = Options.Json();
        var command = new Command("list", "List the schedules that this program can make") { json };
        command.SetAction(parsed =>
        {
            if (parsed.GetValue(json))
                Output.Json(
                    new
                    {
                        schedules = ScheduleGenerator.All.Select(g => new
                        {
                            name = g.Name,
                            summary = g.Summary,
                            sizes = g.Sizes,
                            stagesPerRank = g.StandardStagesPerRank,
                            source = g.Source,
                        }),
                    }
                );
            else
                foreach (var generator in ScheduleGenerator.All)
                    System.Console.Out.WriteLine(
                        $"{generator.Name, -17} {generator.Summary}\n{"", -17} {generator.Sizes}; {generator.Source}"
                    );
            return ExitCode.Done;
        });
        return command;
    }

    private static Command ShowCommand()
    {
        var schedule = new Argument<string>("NAME|FILE") { Description = "A name of schedule list, or a CSV file." };
        var (size, times, json) = (new ScheduleSize(), ScheduleSize.Times(), Options.Json());
        var command = new Command("show", "Draw a schedule as a chart over time, with what it costs")
        {
            schedule,
            size.Ranks,
            size.StagesPerRank,
            size.Microbatches,
            times,
            json,
        };
        command.SetAction(parsed =>
        {
            var (name, ticks) = (parsed.GetValue(schedule)!, parsed.GetValue(times)!);
            var shown = ScheduleGenerator.Find(name) is { } generator
                ? Generate(generator, size.Required(parsed, name, generator.StandardStagesPerRank))
                : Read(name);
            var report = ScheduleReport.Of(shown, ticks, null);
            if ((report.Refusal ?? size.Differs(parsed, report)) is { } refusal)
                throw new CommandFailedException(
                    ExitCode.File,
                    $"{name}: {refusal}. Nothing was drawn. Correct the file, or see: backprop schedule list"
                );
            if (parsed.GetValue(json))
                Output.Json(ScheduleFigures.Shown(name, ticks, report));
            else
                Draw(report);
            return ExitCode.Done;
        });
        return command;
    }

    private static Command CheckCommand()
    {
        var file = new Argument<string>("FILE") { Description = "A schedule in PyTorch's CSV, one row a rank." };
        var credits = ScheduleSize.Count("--credits", "Messages that a link may hold; any number if not given.", 4096);
        var (size, json) = (new ScheduleSize(), Options.Json());
        var command = new Command("check", "Say whether every rank gets through a schedule, and who waits for whom")
        {
            file,
            credits,
            size.Ranks,
            size.StagesPerRank,
            size.Microbatches,
            json,
        };
        command.SetAction(parsed =>
        {
            var (path, isJson) = (parsed.GetValue(file)!, parsed.GetValue(json));
            var (result, lines, refusal, cure) = Check(
                ScheduleFile.Text(path),
                report => size.Differs(parsed, report),
                parsed.GetValue(credits)
            );
            if (isJson)
                Output.Json(result);
            if (refusal is not null)
                throw new CommandFailedException(
                    ExitCode.VerificationFailed,
                    $"{path}: {refusal}. Nothing was run. {cure}"
                );
            if (!isJson)
                foreach (var line in lines.Prepend($"{path}: every rank gets through"))
                    System.Console.Out.WriteLine(line);
            return ExitCode.Done;
        });
        return command;
    }

    private static Command ExportCommand()
    {
        var schedule = new Argument<string>("NAME") { Description = "A name of schedule list." };
        var to = new Option<string>("--to") { Description = "The CSV file to write.", Required = true };
        var lowered = new Option<bool>("--lowered")
        {
            Description = "With sends, receives and what concerns whole stages, as PyTorch's runtime runs it.",
        };
        var (size, json) = (new ScheduleSize(), Options.Json());
        var command = new Command("export", "Write a schedule in PyTorch's CSV, which torchtitan reads too")
        {
            schedule,
            size.Ranks,
            size.StagesPerRank,
            size.Microbatches,
            lowered,
            to,
            json,
        };
        command.SetAction(parsed =>
        {
            var (name, path) = (parsed.GetValue(schedule)!, parsed.GetValue(to)!);
            var generator =
                ScheduleGenerator.Find(name)
                ?? throw new CommandFailedException(ExitCode.Usage, $"{Unknown(name)} Nothing was exported.");
            var shape = size.Required(parsed, name, generator.StandardStagesPerRank);
            var made = Generate(generator, shape);
            if (parsed.GetValue(lowered))
                made = ScheduleLowering.Lower(made, LoweringForm.ShardedStages);
            ScheduleFile.Write(path, made);
            if (parsed.GetValue(json))
                Output.Json(
                    new
                    {
                        file = Path.GetFullPath(path),
                        schedule = name,
                        ranks = shape.Ranks,
                        stages = shape.Stages,
                        microbatches = shape.Microbatches,
                        lowered = made.IsLowered,
                        actions = made.Actions.Count(),
                    }
                );
            else
                System.Console.Out.WriteLine(
                    string.Create(
                        CultureInfo.InvariantCulture,
                        $"{path}: {name}, {shape.Ranks} ranks, {made.Actions.Count()} actions"
                    )
                );
            return ExitCode.Done;
        });
        return command;
    }

    private static (object Result, IEnumerable<string> Lines, ScheduleRefusal? Refusal, string Cure) Check(
        string text,
        Func<ScheduleReport, ScheduleRefusal?> differs,
        int? credits
    )
    {
        try
        {
            var report = ScheduleReport.Of(ScheduleText.Read(text), ActionTimes.Unit, credits);
            report = report with { Refusal = report.Refusal ?? differs(report) };
            return (
                ScheduleFigures.Checked(report),
                report.Refusal is null ? ScheduleFigures.Lines(report) : [],
                report.Refusal,
                report.LeastCredits is { } least && least > credits
                    ? string.Create(CultureInfo.InvariantCulture, $"Give --credits {least} or more.")
                    : Correct
            );
        }
        catch (ScheduleException e)
        {
            return (ScheduleFigures.Unreadable(e.Refusal), [], e.Refusal, Correct);
        }
    }

    private static void Draw(ScheduleReport report)
    {
        new ScheduleChart(
            Output.Console,
            System.Console.IsOutputRedirected ? ColumnsOfAFile : Output.Console.Profile.Width
        ).Draw(report.Timeline!);
        foreach (var line in ScheduleFigures.Lines(report))
            System.Console.Out.WriteLine(line);
    }

    private static PipelineSchedule Generate(ScheduleGenerator generator, ScheduleShape shape)
    {
        try
        {
            return generator.Generate(shape);
        }
        catch (ScheduleException e)
        {
            throw new CommandFailedException(ExitCode.Usage, $"{e.Message}. Nothing was made.");
        }
    }

    private static PipelineSchedule Read(string path)
    {
        if (!Path.Exists(path))
            throw new CommandFailedException(ExitCode.Usage, $"{Unknown(path)} Nothing was drawn.");
        try
        {
            return ScheduleText.Read(ScheduleFile.Text(path));
        }
        catch (ScheduleException e)
        {
            throw new CommandFailedException(
                ExitCode.File,
                $"{path}: {e.Refusal}. Nothing was drawn. Correct that cell."
            );
        }
    }

    private static string Unknown(string name) =>
        $"'{ScheduleRefusal.Shown(name)}' is neither a file nor a schedule's name, expected "
        + $"{string.Join(", ", ScheduleGenerator.All.Select(generator => generator.Name))}.";
}
