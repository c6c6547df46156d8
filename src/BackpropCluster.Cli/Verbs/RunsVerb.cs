using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using BackpropCluster.Cli.CommandLine;
using BackpropCluster.Cli.Runs;
using BackpropCluster.Core.Protocol;
using BackpropCluster.Grains.Checkpoints;
using BackpropCluster.Grains.Clustering;
using BackpropCluster.Grains.Coordination;

namespace BackpropCluster.Cli.Verbs;

/// <summary><c>runs list|show|cancel</c>: what ran in a folder or a cluster and how it ended; what runs, and its
/// end.</summary>
internal static class RunsVerb
{
    private static readonly TimeSpan CancelBound = TimeSpan.FromSeconds(60);

    public static Command Create()
    {
        var (cluster, directory, json) = (Options.Cluster(), Options.RunDirectory(), Options.Json());
        var list = new Command("list", "List the runs of a folder or a cluster, the latest last")
        {
            cluster,
            directory,
            json,
        };
        list.SetAction(
            (parsed, cancellation) =>
                parsed.GetValue(cluster) is { } address
                    ? ListCluster(address, parsed.GetValue(json), cancellation)
                    : Task.FromResult(List(parsed.GetValue(directory)!, parsed.GetValue(json)))
        );
        return new Command("runs", "Look at what ran and runs, or end it") { list, ShowCommand(), CancelCommand() };
    }

    private static Command ShowCommand()
    {
        var (run, cluster, directory, json) = (
            Options.Run(),
            Options.Cluster(),
            Options.RunDirectory(),
            Options.Json()
        );
        var show = new Command("show", "Show one run: its file, how it ended, what it saved")
        {
            run,
            cluster,
            directory,
            json,
        };
        show.SetAction(
            (parsed, cancellation) =>
                parsed.GetValue(cluster) is { } address
                    ? ShowCluster(address, parsed.GetValue(run)!, parsed.GetValue(json), cancellation)
                    : Show(parsed.GetValue(directory)!, parsed.GetValue(run)!, parsed.GetValue(json))
        );
        return show;
    }

    private static Command CancelCommand()
    {
        var (run, cluster, directory) = (Options.Run(), Options.Cluster(), Options.RunDirectory());
        var cancel = new Command("cancel", "End a run at its next step boundary, saved; train --resume goes on with it")
        {
            run,
            cluster,
            directory,
        };
        cancel.SetAction(
            (parsed, cancellation) =>
                parsed.GetValue(cluster) is { } address
                    ? CancelCluster(address, parsed.GetValue(run)!, cancellation)
                    : Task.FromResult(Cancel(parsed.GetValue(directory)!, parsed.GetValue(run)!))
        );
        return cancel;
    }

    private static async Task<int> ListCluster(ClusterAddress address, bool json, CancellationToken cancellation)
    {
        await using var client = await ClusterClient.Connect(address, cancellation);
        var runs = await client.Ask(grains => grains.GetGrain<IClusterGrain>(0).Runs(), cancellation);
        if (json)
            Output.Json(new { runs = runs.Select(r => new { run = r.Run, status = Word(r.Status) }) });
        else if (runs.IsEmpty)
            System.Console.Out.WriteLine($"no runs in {address}");
        else
            foreach (var run in runs)
                System.Console.Out.WriteLine($"{run.Run, -40} {Word(run.Status)}");
        return ExitCode.Done;
    }

    private static async Task<int> ShowCluster(
        ClusterAddress address,
        string run,
        bool json,
        CancellationToken cancellation
    )
    {
        await using var client = await ClusterClient.Connect(address, cancellation);
        var record = await Known(client, address, run, cancellation);
        var progress = record.Status.IsOver()
            ? null
            : await client.Ask(
                grains => grains.GetGrain<ICoordinatorGrain>(run).Watch(int.MaxValue, int.MaxValue),
                cancellation
            );
        var steps = progress?.CommittedSteps ?? record.Steps;
        if (json)
        {
            Output.Json(
                new
                {
                    run = new
                    {
                        run,
                        status = Word(record.Status),
                        steps,
                        ofSteps = progress?.Steps,
                        record.Reason,
                        savedStep = progress?.SavedVersion,
                        recoveries = progress?.Recoveries,
                        moves = progress?.Moves,
                    },
                    file = record.RunFile,
                }
            );
            return ExitCode.Done;
        }

        System.Console.Out.WriteLine(
            string.Create(
                CultureInfo.InvariantCulture,
                $"{run, -40} {Word(record.Status), -11} {steps:N0} steps"
                    + $"{(progress is null ? "" : $" of {progress.Steps:N0}, saved at {progress.SavedVersion:N0}")}"
            )
        );
        if (record.Reason is not null)
            System.Console.Out.WriteLine($"reason: {record.Reason}");
        if (record.Status != RunStatus.Completed)
            System.Console.Out.WriteLine(
                $"{(record.Status.IsOver() ? "go on with" : "watch")}: backprop train --resume {run} --cluster "
                    + $"{address}"
            );
        System.Console.Out.WriteLine();
        System.Console.Out.Write(record.RunFile);
        return ExitCode.Done;
    }

    private static async Task<int> CancelCluster(ClusterAddress address, string run, CancellationToken cancellation)
    {
        await using var client = await ClusterClient.Connect(address, cancellation);
        var record = await Known(client, address, run, cancellation);
        if (record.Status.IsOver())
            throw new CommandFailedException(
                ExitCode.Usage,
                $"run {run} is {Word(record.Status)} already. Nothing was changed."
            );
        var began = TimeProvider.System.GetTimestamp();
        while (TimeProvider.System.GetElapsedTime(began) < CancelBound)
        {
            if (await client.Ask(Interrupted, cancellation) is not { IsOver: true } progress)
                continue;
            System.Console.Out.WriteLine($"run {run} is {Word(progress.Status)} at step {progress.CommittedSteps}");
            return ExitCode.Done;
        }

        throw new CommandFailedException(
            ExitCode.ClusterLost,
            $"run {run} did not end within {CancelBound.TotalSeconds} s. It will at its next step boundary. See: "
                + $"backprop runs show {run} --cluster {address}"
        );

        async ValueTask<RunProgress?> Interrupted(IGrainFactory grains)
        {
            var coordinator = grains.GetGrain<ICoordinatorGrain>(run);
            await coordinator.Interrupt();
            return await coordinator.Watch(int.MaxValue, int.MaxValue);
        }
    }

    private static int Cancel(string directory, string run)
    {
        var path = RunFolder.PathOf(directory, run);
        if (!RunFolder.Exists(directory, run) || !RunFolder.IsHeld(path))
            throw new CommandFailedException(
                ExitCode.Usage,
                $"no process trains run {run} in {directory}. Nothing was changed. See: backprop runs list "
                    + $"--run-dir {directory}"
            );
        RunFolder.Cancel(path);
        System.Console.Out.WriteLine($"run {run} ends at its next step boundary");
        return ExitCode.Done;
    }

    /// <summary>What a cluster knows of a run.</summary>
    /// <exception cref="CommandFailedException">There is no such run.</exception>
    internal static async Task<RunRecord> Known(
        ClusterClient client,
        ClusterAddress address,
        string run,
        CancellationToken cancellation
    ) =>
        await client.Find(RunFolder.CheckedId(run), cancellation)
        ?? throw new CommandFailedException(
            ExitCode.Usage,
            $"there is no run {run} in {address}. Nothing was changed. See: backprop runs list --cluster {address}"
        );

    private static string Word(RunStatus status) => status.IsOver() ? status.ToString().ToLowerInvariant() : "running";

    private static int List(string directory, bool json)
    {
        var runs = Directory.Exists(directory)
            ? new DirectoryInfo(directory)
                .EnumerateDirectories()
                .Where(d => File.Exists(Path.Combine(d.FullName, "manifest.json")))
                .OrderBy(d => d.CreationTimeUtc)
                .ThenBy(d => d.Name, StringComparer.Ordinal)
                .Select(RunRow.Of)
                .ToList()
            : [];
        if (json)
            Output.Json(new { runs });
        else if (runs.Count == 0)
            System.Console.Out.WriteLine($"no runs in {directory}");
        else
            runs.ForEach(Print);
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
            Output.Json(
                new
                {
                    run = row,
                    checkpoints = saved.Select(c => new { step = c.Id.Version, ok = c.Problem is null }),
                    summary = RunRow.SummaryOf(path),
                    file = checkpoints.RunFile,
                }
            );
            return ExitCode.Done;
        }

        Print(row);
        if (row.Reason is not null)
            System.Console.Out.WriteLine($"reason: {row.Reason}");
        System.Console.Out.WriteLine(
            "checkpoints: "
                + (
                    saved.Count == 0
                        ? "none"
                        : string.Join(
                            ", ",
                            saved.Select(c => $"{c.Id.Version}{(c.Problem is null ? "" : " (broken)")}")
                        )
                )
        );
        if (row.Status != "completed")
            System.Console.Out.WriteLine(
                $"go on with: backprop train --resume {run}{(directory == "runs" ? "" : $" --run-dir {directory}")}"
            );
        System.Console.Out.WriteLine();
        System.Console.Out.Write(checkpoints.RunFile);
        return ExitCode.Done;
    }

    private static void Print(RunRow row) =>
        System.Console.Out.WriteLine(
            string.Create(
                    CultureInfo.InvariantCulture,
                    $"{row.Run, -40} {row.Status, -11} "
                        + $"{(row.Steps is { } steps ? $"{steps:N0} steps" : ""), -14}"
                        + $"{(row.TestAccuracy is { } accuracy ? $" test {accuracy:0.0 %}" : "")}"
                        + $"{(row.WeightsSha256 is { } hash ? $"  sha256 {hash[..12]}…" : "")}"
                )
                .TrimEnd()
        );

    /// <summary>A run as its folder tells.</summary>
    /// <param name="Run">Its id.</param>
    /// <param name="Status">completed, interrupted, failed, running, or cut off where its process ended without a
    /// word.</param>
    /// <param name="Steps">Committed when it ended.</param>
    /// <param name="TestAccuracy">Of the last evaluation.</param>
    /// <param name="WeightsSha256">Of the trained parameters.</param>
    /// <param name="Reason">Why it failed.</param>
    private sealed record RunRow(
        string Run,
        string Status,
        int? Steps,
        double? TestAccuracy,
        string? WeightsSha256,
        string? Reason
    )
    {
        public static RunRow Of(DirectoryInfo folder)
        {
            if (RunFolder.IsHeld(folder.FullName))
                return new RunRow(folder.Name, "running", null, null, null, null);
            if (SummaryOf(folder.FullName) is not { } summary)
                return new RunRow(folder.Name, "cut off", null, null, null, null);
            string? Text(string name) =>
                summary.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String
                    ? value.GetString()
                    : null;
            double? accuracy =
                summary.TryGetProperty("test", out var test)
                && test.ValueKind == JsonValueKind.Object
                && test.GetProperty("accuracy") is { ValueKind: JsonValueKind.Number } share
                    ? share.GetDouble()
                    : null;
            return new RunRow(
                folder.Name,
                Text("status") ?? "cut off",
                summary.TryGetProperty("steps", out var steps) ? steps.GetInt32() : null,
                accuracy,
                Text("weightsSha256"),
                Text("reason")
            );
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
