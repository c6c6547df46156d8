using System.Globalization;
using System.Reflection;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.RegularExpressions;
using BackpropCluster.Cli.CommandLine;
using BackpropCluster.Cli.RunFiles;
using BackpropCluster.Core.Learning;
using BackpropCluster.Grains.Checkpoints;
using BackpropCluster.Grains.Clustering;
using BackpropCluster.Grains.Coordination;
using BackpropCluster.Grains.Data;

namespace BackpropCluster.Cli.Runs;

/// <summary>What a run leaves behind: <c>runs/{run}/</c> with run.yaml (every default spelt out), manifest.json,
/// metrics.jsonl, summary.json and checkpoints.</summary>
internal sealed partial class RunFolder : IDisposable
{
    /// <summary>Of the folder's contents; one number with that of the records in it.</summary>
    private static readonly int Format = StoredBytes.Format;
    private const int ChanceDigits = 10;
    private const int LongestNameInId = 64 - 8 - 2 - ChanceDigits; // beside the day and two dashes
    private static readonly TimeSpan LookBound = TimeSpan.FromMilliseconds(100);

    // Two processes that train one run would fight over its manifest, step after step.
    private readonly FileStream held;
    private MetricsFile? metrics;
    private HashSet<string>? knownTraces;
    private bool isNew;

    private RunFolder(string path, FileStream held) => (Path, this.held) = (path, held);

    public string Path { get; }

    /// <summary>A new id: day, name of the run file, and so many hexadecimal digits by chance that a thousand runs of a
    /// day and name have two of one id once in two million days.</summary>
    public static string NewId(string name, DateTimeOffset now) =>
        string.Create(
            CultureInfo.InvariantCulture,
            $"{now:yyyyMMdd}-{name[..Math.Min(name.Length, LongestNameInId)]}-"
                + $"{RandomNumberGenerator.GetHexString(ChanceDigits, lowercase: true)}"
        );

    /// <summary>The folder of a run, which need not exist.</summary>
    public static string PathOf(string directory, string run) => System.IO.Path.Combine(directory, CheckedId(run));

    /// <summary>Lets only a run's id pass: it becomes a folder's and a record's name.</summary>
    public static string CheckedId(string run) =>
        IdPattern().IsMatch(run)
            ? run
            : throw new CommandFailedException(
                ExitCode.Usage,
                $"{Excerpt.Of(run)} is not a run's id: expected small letters, digits, '.', '_' and '-', at most "
                    + $"64. Nothing was started. See: backprop runs list"
            );

    /// <summary>Whether there is a folder of this run.</summary>
    public static bool Exists(string directory, string run) =>
        File.Exists(System.IO.Path.Combine(PathOf(directory, run), "manifest.json"));

    /// <summary>Asks the process that trains in a folder to save the run and end.</summary>
    public static void Cancel(string path) => File.WriteAllText(System.IO.Path.Combine(path, "cancel"), "");

    /// <summary>Whether somebody has asked for the end of the run.</summary>
    public bool IsCancelled => File.Exists(System.IO.Path.Combine(Path, "cancel"));

    /// <summary>Makes the folder. Called when the silos stand, so that a run that never began leaves nothing.</summary>
    public static RunFolder Create(string directory, string run, RunFile file) =>
        OrFail(() =>
        {
            var path = PathOf(directory, run);
            Directory.CreateDirectory(path);
            var folder = new RunFolder(path, Hold(path)) { isNew = true };
            File.WriteAllText(System.IO.Path.Combine(path, "run.yaml"), file.ToYaml(System.IO.Path.GetFullPath(path)));
            var version = typeof(RunFolder)
                .Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()
                ?.InformationalVersion;
            var manifest = new Manifest(
                Format,
                run,
                version,
                Environment.Version.ToString(),
                typeof(IGrainFactory).Assembly.GetName().Version?.ToString(3),
                Environment.MachineName,
                Environment.ProcessorCount,
                file.Table.Sha256(),
                file.Table.Rows,
                file.Table.Features,
                file.Table.Classes is null ? null : file.Table.ClassCount,
                file.GivenSha256
            );
            File.WriteAllText(
                System.IO.Path.Combine(path, "manifest.json"),
                JsonSerializer.Serialize(manifest, Output.Camel)
            );
            return folder;
        });

    /// <summary>Takes the folder back if it was made here: the run never began.</summary>
    public void Undo()
    {
        Dispose();
        if (isNew)
            Directory.Delete(Path, recursive: true);
    }

    /// <summary>Takes an existing folder to train on in it.</summary>
    /// <exception cref="CommandFailedException">Another version of the program made it, or another process trains
    /// there.</exception>
    public static RunFolder Reopen(string directory, string run) =>
        OrFail(() =>
        {
            // A run of a cluster may have a folder here of the same id that this program has not read yet.
            ReadManifest(PathOf(directory, run));
            var folder = new RunFolder(PathOf(directory, run), Hold(PathOf(directory, run)));
            // How it ended last time is over.
            File.Delete(System.IO.Path.Combine(folder.Path, "summary.json"));
            File.Delete(System.IO.Path.Combine(folder.Path, "cancel"));
            return folder;
        });

    /// <summary>The run file of an existing folder, with values replaced.</summary>
    /// <exception cref="CommandFailedException">There is no such run, another version of the program made it, or its
    /// data changed since.</exception>
    public static RunFile Read(string directory, string run, IReadOnlyList<string>? sets)
    {
        var path = PathOf(directory, run);
        if (!Exists(directory, run))
            throw new CommandFailedException(
                ExitCode.Usage,
                $"there is no run {run} in {directory}. Nothing was started. See: backprop runs list --run-dir "
                    + $"{directory}"
            );
        var manifest = ReadManifest(path);
        var file = RunFileLoader.Load(System.IO.Path.Combine(path, "run.yaml"), sets);
        if (file.GivenSha256 != manifest.InitSha256)
            throw new CommandFailedException(
                ExitCode.File,
                $"the initial parameters of run {run} changed since it began: {string.Join(", ", file.GivenFiles)} "
                    + $"holds others. Nothing was started. Restore the file, or train anew."
            );
        return file.Table.Sha256() == manifest.DataSha256
            ? file
            : throw new CommandFailedException(
                ExitCode.File,
                $"the data of run {run} changed since it began: they hash to {file.Table.Sha256()[..12]}…, expected "
                    + $"{manifest.DataSha256[..Math.Min(12, manifest.DataSha256.Length)]}…. Nothing was started. "
                    + $"Restore the files, or train anew."
            );
    }

    /// <exception cref="CommandFailedException">It cannot be read, or is of another version.</exception>
    private static Manifest ReadManifest(string path)
    {
        var manifestPath = System.IO.Path.Combine(path, "manifest.json");
        Manifest? manifest;
        try
        {
            manifest = JsonSerializer.Deserialize<Manifest>(File.ReadAllText(manifestPath), Output.Camel);
        }
        catch (Exception e) when (e is JsonException or IOException or UnauthorizedAccessException)
        {
            throw new CommandFailedException(
                ExitCode.File,
                $"{manifestPath} cannot be read: {e.Message} Nothing was started. Restore the file, or train anew."
            );
        }

        if (manifest?.Format == Format)
            return manifest;
        var maker = manifest?.Backprop is { } version
            ? $"backprop {ClusterSilo.ReleaseOf(version)}"
            : "another program";
        var format = manifest?.Format.ToString(CultureInfo.InvariantCulture) ?? "none";
        throw new CommandFailedException(
            ExitCode.File,
            $"{manifestPath}: the run folder is of format {format}, made by {maker}; this program, backprop "
                + $"{ClusterSilo.ReleaseOf(ClusterSilo.ProgramVersion)}, reads format {Format}. Nothing was started, "
                + $"and nothing in it was changed. Use {maker} for it, or train anew: backprop train "
                + $"{System.IO.Path.Combine(path, "run.yaml")}"
        );
    }

    /// <summary>Whether a process trains in this folder now.</summary>
    public static bool IsHeld(string path)
    {
        try
        {
            // Only to read: a folder may be somebody else's, and whoever looks must not be in the way of who trains.
            new FileStream(
                System.IO.Path.Combine(path, "lock"),
                FileMode.Open,
                FileAccess.Read,
                FileShare.ReadWrite
            ).Dispose();
            return false;
        }
        catch (Exception e)
            when (e is FileNotFoundException or DirectoryNotFoundException or UnauthorizedAccessException)
        {
            return false;
        }
        catch (IOException)
        {
            return true;
        }
    }

    /// <summary>Why something of the run could not be written; <see langword="null"/> while all could.</summary>
    public string? Unwritten { get; private set; }

    /// <summary>Writes what is new. A run does not end because of a disk that is full: it is said once, and in the end
    /// once more.</summary>
    public void Keep(RunProgress progress)
    {
        if (Unwritten is not null)
            return;
        Try(() => Write(progress));
        if (Unwritten is not null)
            System.Console.Error.WriteLine(
                $"warning: {Path} cannot be written: {Unwritten}; the run goes on without it"
            );
    }

    public void Write(RunProgress progress)
    {
        Write(progress.NewTraces);
        // Not before it is led, or a run that cannot be would lose what is there.
        if (progress.NewLosses.IsEmpty && progress.NewEvaluations.IsEmpty)
            return;
        metrics ??= new MetricsFile(System.IO.Path.Combine(Path, "metrics.jsonl"));
        metrics.Write(progress.NewLosses, progress.NewEvaluations);
    }

    // A line that was torn by a crash goes before others follow it, and a trace that stands there already is not
    // written again: a coordinator tells a client that comes back all that it still has.
    private void Write(IReadOnlyList<byte[]> traces)
    {
        if (traces.Count == 0)
            return;
        var path = System.IO.Path.Combine(Path, Traces.TraceFile.FileName);
        if (knownTraces is null)
        {
            var known = File.Exists(path) ? File.ReadAllText(path) : "";
            var whole = known[..(known.LastIndexOf('\n') + 1)];
            if (whole.Length < known.Length)
            {
                using var torn = new FileStream(path, FileMode.Open, FileAccess.Write);
                torn.SetLength(System.Text.Encoding.UTF8.GetByteCount(whole));
            }

            knownTraces = [.. TraceId().Matches(whole).Select(m => m.Groups[1].Value)];
        }

        using var file = new FileStream(path, FileMode.Append, FileAccess.Write);
        foreach (var trace in traces)
            if (knownTraces.Add(TraceIdOf(trace)))
                file.Write(trace);
    }

    // Of its first span; all others have the same. A trace may be a megabyte, and is not made a text to find that.
    private static string TraceIdOf(ReadOnlySpan<byte> trace) =>
        System.Text.Encoding.ASCII.GetString(
            trace.Slice(trace.IndexOf("\"traceId\":\""u8) + "\"traceId\":\"".Length, 32)
        );

    /// <summary>How the run ended: what <c>train --json</c> prints, or less where it did not complete.</summary>
    public void End(object summary) =>
        Try(() =>
            File.WriteAllText(
                System.IO.Path.Combine(Path, "summary.json"),
                JsonSerializer.Serialize(summary, Output.Camel)
            )
        );

    public void Dispose()
    {
        // What a full disk did not take is tried once more by whoever closes the file.
        Try(() => metrics?.Dispose());
        held.Dispose();
    }

    private void Try(Action write)
    {
        try
        {
            write();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Unwritten ??= e.Message.TrimEnd('.');
        }
    }

    private static FileStream Hold(string path)
    {
        var began = TimeProvider.System.GetTimestamp();
        while (true)
        {
            try
            {
                return new FileStream(
                    System.IO.Path.Combine(path, "lock"),
                    FileMode.OpenOrCreate,
                    FileAccess.Write,
                    FileShare.None
                );
            }
            // Whoever only looks at the folder holds it for a moment.
            catch (IOException e) when (Directory.Exists(path) && TimeProvider.System.GetElapsedTime(began) > LookBound)
            {
                throw new CommandFailedException(
                    ExitCode.ClusterLost,
                    $"another process trains in {path} ({e.Message}). Nothing was started. Wait for its end, or "
                        + $"stop it."
                );
            }
            catch (IOException) when (Directory.Exists(path))
            {
                Thread.Yield();
            }
        }
    }

    private static RunFolder OrFail(Func<RunFolder> open)
    {
        try
        {
            return open();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CommandFailedException(
                ExitCode.File,
                $"the run folder cannot be written: {e.Message} Nothing was trained. Choose another --run-dir."
            );
        }
    }

    [GeneratedRegex(@"^[a-z0-9][a-z0-9._-]{0,63}\z")]
    private static partial Regex IdPattern();

    [GeneratedRegex("\"traceId\":\"([0-9a-f]{32})\"")]
    private static partial Regex TraceId();

    private sealed record Manifest(
        int Format,
        string Run,
        string? Backprop,
        string Runtime,
        string? Orleans,
        string Host,
        int Processors,
        string DataSha256,
        int Rows,
        int Columns,
        int? Classes,
        string? InitSha256
    );
}
