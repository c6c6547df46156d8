using System.CommandLine;
using System.Globalization;
using System.Text.Json;

namespace BackpropCluster.Cli.Verbs;

/// <summary><c>runs list|show</c>: what ran here, and how it ended.</summary>
internal static class RunsVerb
{
    public static Command Create()
    {
        var (directory, json) = (Options.RunDirectory(), Options.Json());
        var list = new Command("list", "List the runs of a folder, the latest last") { directory, json };
        list.SetAction(parsed => List(parsed.GetValue(directory)!, parsed.GetValue(json)));
        var (run, showDirectory, showJson) = (Options.Run(), Options.RunDirectory(), Options.Json());
        var show = new Command("show", "Show one run: its file, how it ended, what it saved") { run, showDirectory, showJson };
        show.SetAction((parsed, _) => Show(parsed.GetValue(showDirectory)!, parsed.GetValue(run)!, parsed.GetValue(showJson)));
        return new Command("runs", "Look at what ran") { list, show };
    }

    private static int List(string directory, bool json)
    {
        var runs = Directory.Exists(directory)
            ? new DirectoryInfo(directory).EnumerateDirectories().Where(d => File.Exists(Path.Combine(d.FullName, "manifest.json"))).OrderBy(d => d.CreationTimeUtc).ThenBy(d => d.Name, StringComparer.Ordinal).Select(RunRow.Of).ToList()
            : [];
        if (json) Output.Json(new { runs });
        else if (runs.Count == 0) System.Console.Out.WriteLine($"no runs in {directory}");
        else runs.ForEach(Print);
        return ExitCode.Done;
    }

    private static async Task<int> Show(string directory, string run, bool json)
    {
        await using var checkpoints = Checkpoints.Open(directory, run);
        var path = RunFolder.PathOf(directory, run);
        var row = RunRow.Of(new DirectoryInfo(path));
        var saved = await checkpoints.Verify();
        if (json)
        {
            Output.Json(new { run = row, checkpoints = saved.Select(c => new { step = c.Id.Version, ok = c.Problem is null }), summary = RunRow.SummaryOf(path), file = checkpoints.File.ToYaml() });
            return ExitCode.Done;
        }

        Print(row);
        if (row.Reason is not null) System.Console.Out.WriteLine($"reason: {row.Reason}");
        System.Console.Out.WriteLine($"checkpoints: {(saved.Count == 0 ? "none" : string.Join(", ", saved.Select(c => c.Id.Version.ToString(CultureInfo.InvariantCulture) + (c.Problem is null ? "" : " (broken)"))))}");
        if (row.Status != "completed") System.Console.Out.WriteLine($"go on with: backprop train --resume {run}{(directory == "runs" ? "" : $" --run-dir {directory}")}");
        System.Console.Out.WriteLine();
        System.Console.Out.Write(checkpoints.File.ToYaml());
        return ExitCode.Done;
    }

    private static void Print(RunRow row) => System.Console.Out.WriteLine(string.Create(
        CultureInfo.InvariantCulture,
        $"{row.Run,-40} {row.Status,-11} {(row.Steps is { } steps ? $"{steps:N0} steps" : ""),-14}{(row.TestAccuracy is { } accuracy ? $" test {accuracy:0.0 %}" : "")}{(row.WeightsSha256 is { } hash ? $"  sha256 {hash[..12]}…" : "")}").TrimEnd());

    /// <summary>A run as its folder tells.</summary>
    /// <param name="Run">Its id.</param>
    /// <param name="Status">completed, interrupted, failed, running, or cut off where its process ended without a word.</param>
    /// <param name="Steps">Committed when it ended.</param>
    /// <param name="TestAccuracy">Of the last evaluation.</param>
    /// <param name="WeightsSha256">Of the trained parameters.</param>
    /// <param name="Reason">Why it failed.</param>
    private sealed record RunRow(string Run, string Status, int? Steps, double? TestAccuracy, string? WeightsSha256, string? Reason)
    {
        public static RunRow Of(DirectoryInfo folder)
        {
            if (RunFolder.IsHeld(folder.FullName)) return new RunRow(folder.Name, "running", null, null, null, null);
            if (SummaryOf(folder.FullName) is not { } summary) return new RunRow(folder.Name, "cut off", null, null, null, null);
            string? Text(string name) => summary.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
            double? accuracy = summary.TryGetProperty("test", out var test) && test.ValueKind == JsonValueKind.Object && test.GetProperty("accuracy") is { ValueKind: JsonValueKind.Number } share ? share.GetDouble() : null;
            return new RunRow(folder.Name, Text("status") ?? "cut off", summary.TryGetProperty("steps", out var steps) ? steps.GetInt32() : null, accuracy, Text("weightsSha256"), Text("reason"));
        }

        public static JsonElement? SummaryOf(string folder)
        {
            try
            {
                return JsonSerializer.Deserialize<JsonElement>(File.ReadAllText(Path.Combine(folder, "summary.json")));
            }
            catch (Exception e) when (e is IOException or JsonException)
            {
                return null;
            }
        }
    }
}
