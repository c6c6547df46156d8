using System.Text.Json;
using BackpropCluster.Cli;
using BackpropCluster.Cli.CommandLine;
using BackpropCluster.Cli.Runs;
using BackpropCluster.Tests.Reliability;

namespace BackpropCluster.Tests.Layout;

/// <summary><c>schedule list|show|check|export</c> as a script meets them.</summary>
[Collection(nameof(SerialTests))]
public sealed class ScheduleVerbTests : IDisposable
{
    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("backprop-schedule-");

    public void Dispose() => folder.Delete(recursive: true);

    [Fact]
    public async Task ListNamesAllSeven()
    {
        string[] names = ["gpipe", "1f1b", "interleaved_1f1b", "looped_bfs", "zb1p", "zbv", "dualpipe_v"];
        var (exitCode, output, _) = await Run("list", "--json");
        Assert.Equal(0, exitCode);
        Assert.Equal(
            names,
            JsonElement
                .Parse(output)
                .GetProperty("schedules")
                .EnumerateArray()
                .Select(s => s.GetProperty("name").GetString())
        );
        Assert.Contains("arXiv:1811.06965", (await Run("list")).Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task ShowPrintsTheChartAndTheFiguresUnderIt()
    {
        // A child: a chart goes to the console that the process began with.
        var (exitCode, output, talk) = await Child.Backprop(
            "schedule",
            "show",
            "zbv",
            "--ranks",
            "4",
            "--microbatches",
            "8"
        );
        Assert.Equal((0, ""), (exitCode, talk));
        Assert.StartsWith("ticks 0 to 19\nr0 0F0 0F1 0F2 ", output, StringComparison.Ordinal);
        Assert.Contains("\nmakespan 51, idle 5.88 %; in the ranks' spans 0.00 %\n", output, StringComparison.Ordinal);
        Assert.All(output.Split('\n'), line => Assert.InRange(line.Length, 0, 80));
    }

    [Fact]
    public async Task ShowPrintsOneJsonObjectWithOtherTimes()
    {
        var (_, output, _) = await Run([
            "show",
            "1f1b",
            "--ranks",
            "4",
            "--microbatches",
            "8",
            "--times",
            "f=2,w=3,link=0",
            "--json",
        ]);
        var shown = JsonElement.Parse(output);
        // T = (m+p−1)(f+i+w)
        Assert.Equal(11 * (2 + 1 + 3), shown.GetProperty("makespan").GetInt32());
        Assert.Equal(64, shown.GetProperty("actions").GetArrayLength());
    }

    [Fact]
    public async Task WhatIsExportedIsPyTorchsListingAndPassesTheCheck()
    {
        var path = Path.Combine(folder.FullName, "out.csv");
        var export = await Run("export", "1f1b", "--ranks", "4", "--microbatches", "8", "--to", path);
        Assert.Equal(0, export.ExitCode);
        Assert.Equal(
            GoldenTables.Csv(GoldenTables.OneForwardOneBackward),
            await File.ReadAllTextAsync(path, TestContext.Current.CancellationToken)
        );
        var (exitCode, output, _) = await Run("check", path, "--json");
        var found = JsonElement.Parse(output);
        Assert.Equal(0, exitCode);
        Assert.Equal(
            (true, 4, 4, 8, 33, "[33,30,27,24]", "[4,3,2,1]", 1, JsonValueKind.Null),
            (
                found.GetProperty("valid").GetBoolean(),
                found.GetProperty("ranks").GetInt32(),
                found.GetProperty("stages").GetInt32(),
                found.GetProperty("microbatches").GetInt32(),
                found.GetProperty("makespan").GetInt32(),
                found.GetProperty("rankSpans").GetRawText(),
                found.GetProperty("peakActivations").GetRawText(),
                found.GetProperty("leastCredits").GetInt32(),
                found.GetProperty("refusal").ValueKind
            )
        );
        Assert.Equal(0, (await Run("show", path, "--json")).ExitCode);
        Assert.Contains(
            "4 ranks, expected 5",
            (await Run("check", path, "--ranks", "5")).Talk,
            StringComparison.Ordinal
        );
    }

    [Fact]
    public async Task LoweredIsTheListingOfThePyTorchIssue()
    {
        var path = Path.Combine(folder.FullName, "out.csv");
        await Run([
            "export",
            "interleaved_1f1b",
            "--ranks",
            "2",
            "--microbatches",
            "2",
            "--lowered",
            "--json",
            "--to",
            path,
        ]);
        Assert.Equal(
            GoldenTables.Csv(GoldenTables.LoweredInterleaved),
            await File.ReadAllTextAsync(path, TestContext.Current.CancellationToken)
        );
        Assert.Equal(0, (await Run("check", path)).ExitCode);
    }

    [Fact]
    public async Task PyTorchsListingOf1F1BEndsWith5AndNamesRank3()
    {
        var path = Path.Combine(folder.FullName, "wrong.csv");
        await File.WriteAllTextAsync(
            path,
            GoldenTables.Csv(GoldenTables.WrongOneForwardOneBackward),
            TestContext.Current.CancellationToken
        );
        var (exitCode, output, talk) = await Run("check", path, "--json");
        Assert.Equal(5, exitCode);
        var refusal = JsonElement.Parse(output).GetProperty("refusal");
        Assert.Equal((3, "3B0"), (refusal.GetProperty("rank").GetInt32(), refusal.GetProperty("action").GetString()));
        Assert.Contains("rank 3, position 4: 3B0 has no 3F0 before it", talk, StringComparison.Ordinal);
        Assert.Equal(6, (await Run("show", path)).ExitCode);
    }

    [Fact]
    public async Task TooFewCreditsEndWith5AndSayHowManyAreEnough()
    {
        var path = Path.Combine(folder.FullName, "out.csv");
        await Run("export", "looped_bfs", "--ranks", "2", "--microbatches", "4", "--to", path);
        var (exitCode, output, talk) = await Run("check", path, "--credits", "1");
        Assert.Equal((5, ""), (exitCode, output));
        Assert.Contains("0F2 waits for rank 1 to run 1F1", talk, StringComparison.Ordinal);
        Assert.EndsWith("Give --credits 2 or more.\n", talk, StringComparison.Ordinal);
        Assert.Equal(0, (await Run("check", path, "--credits", "2")).ExitCode);
    }

    [
        Theory,
        InlineData("show 1f1b", "Give --ranks P and --microbatches M."),
        InlineData("show 1f1b --ranks 4 --microbatches 3", "Set microbatches to 4. Nothing was made."),
        InlineData("show 1f1c --ranks 4 --microbatches 3", "'1f1c' is neither a file nor a schedule's name"),
        InlineData("show 1f1b --ranks 0 --microbatches 3", "--ranks got '0', expected a whole number from 1 to 4096."),
        InlineData("show gpipe --ranks 2 --microbatches 3 --times f=0", "--times got 'f=0', expected f, i or w = 1 to"),
        InlineData("show gpipe --ranks 2 --microbatches 3 --times f=1,f=2", "--times got 'f=2'"),
        InlineData("export nothing --ranks 2 --microbatches 3 --to x.csv", "Nothing was exported.")
    ]
    public async Task AWrongCommandSaysWhatWouldBeRight(string command, string says)
    {
        var (exitCode, output, talk) = await Run(command.Split(' '));
        Assert.Equal((2, ""), (exitCode, output));
        Assert.Contains(says, talk, StringComparison.Ordinal);
    }

    // In this process, whose streams are its own only while no other test runs.
    private static async Task<(int ExitCode, string Output, string Talk)> Run(params string[] arguments)
    {
        var (output, error) = (Console.Out, Console.Error);
        using var result = new StringWriter();
        using var talk = new StringWriter();
        try
        {
            Console.SetOut(result);
            Console.SetError(talk);
            return (await Shell.Run(Program.Root(), ["schedule", .. arguments]), result.ToString(), talk.ToString());
        }
        finally
        {
            Console.SetOut(output);
            Console.SetError(error);
        }
    }
}
