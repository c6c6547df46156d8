using System.CommandLine;
using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using System.Runtime;
using BackpropCluster.Grains;
using BackpropCluster.Grains.Clustering;

namespace BackpropCluster.Cli.Verbs;

/// <summary><c>doctor</c>: whether this machine can train, a line a thing, each with its cure.</summary>
internal static class DoctorVerb
{
    private static readonly TimeSpan SiloBound = TimeSpan.FromSeconds(20);

    public static Command Create()
    {
        var directory = new Option<string>("--run-dir") { Description = "Where run folders would be made.", DefaultValueFactory = _ => "runs" };
        var json = Options.Json();
        var doctor = new Command("doctor", "Check what training needs from this machine") { directory, json };
        doctor.SetAction(async (parsed, cancellation) =>
        {
            Finding[] findings = [await Sdk(cancellation), Processor(), RunDirectory(parsed.GetValue(directory)!), await Silo(cancellation)];
            if (parsed.GetValue(json)) Output.Json(new { findings });
            else foreach (var f in findings) System.Console.Out.WriteLine($"{f.Verdict,-5} {f.What}{(f.Cure.Length > 0 ? $". {f.Cure}" : "")}");
            return findings.Select(f => f.Exit).FirstOrDefault(code => code != ExitCode.Done);
        });
        return doctor;
    }

    private static async Task<Finding> Sdk(CancellationToken cancellation)
    {
        try
        {
            using var process = Process.Start(new ProcessStartInfo("dotnet", "--version") { RedirectStandardOutput = true, RedirectStandardError = true })!;
            var version = (await process.StandardOutput.ReadToEndAsync(cancellation).WaitAsync(TimeSpan.FromSeconds(10), cancellation)).Trim();
            return version.StartsWith("10.", StringComparison.Ordinal)
                ? Finding.Ok($".NET SDK {version}, runtime {Environment.Version}")
                : Finding.Warn($".NET SDK {version}, runtime {Environment.Version}", "Building from source needs the .NET 10 SDK");
        }
        catch (Exception e) when (e is Win32Exception or TimeoutException)
        {
            return Finding.Warn($"no .NET SDK answers, runtime {Environment.Version}", "Building from source needs the .NET 10 SDK");
        }
    }

    private static Finding Processor()
    {
        var collector = GCSettings.IsServerGC ? "server garbage collection" : "workstation garbage collection";
        var bits = Core.Learning.Kernels.Current.Bits;
        return System.Runtime.Intrinsics.X86.Fma.IsSupported || System.Runtime.Intrinsics.Arm.AdvSimd.IsSupported
            ? Finding.Ok(string.Create(CultureInfo.InvariantCulture, $"{Environment.ProcessorCount} processors, fused multiply-add over {bits} bits, {collector}"))
            : Finding.Warn($"{Environment.ProcessorCount} processors without fused multiply-add, {collector}", "Results are the same, but training is many times slower");
    }

    private static Finding RunDirectory(string directory)
    {
        // The folder is made by the first run; here it is enough that it could be. The nearest one that exists decides.
        var existing = Path.GetFullPath(directory);
        while (!Directory.Exists(existing)) existing = Path.GetDirectoryName(existing)!;
        try
        {
            using (File.Create(Path.Combine(existing, $".backprop-doctor-{Environment.ProcessId}"), 1, FileOptions.DeleteOnClose))
            {
            }

            return Finding.Ok($"run folders can be written below {directory}");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return Finding.Fail($"run folders cannot be written below {directory}: {e.Message}", "Choose another --run-dir", ExitCode.File);
        }
    }

    private static async Task<Finding> Silo(CancellationToken cancellation)
    {
        var start = Stopwatch.GetTimestamp();
        try
        {
            await using var cluster = await EmbeddedCluster.Start(2, cancellation: cancellation).WaitAsync(SiloBound, cancellation);
            return Finding.Ok(string.Create(CultureInfo.InvariantCulture, $"two silos found each other over loopback in {Stopwatch.GetElapsedTime(start).TotalSeconds:0.0} s"));
        }
        catch (Exception e) when (e is TimeoutException or PortTakenException or Orleans.Runtime.OrleansException)
        {
            return Finding.Fail($"two silos did not start: {e.Message}", "Something blocks TCP on 127.0.0.1; look at its firewall rules", ExitCode.ClusterLost);
        }
    }

    private sealed record Finding(string Verdict, string What, string Cure, [property: System.Text.Json.Serialization.JsonIgnore] int Exit)
    {
        public static Finding Ok(string what) => new("ok", what, "", ExitCode.Done);

        public static Finding Warn(string what, string cure) => new("warn", what, cure, ExitCode.Done);

        public static Finding Fail(string what, string cure, int exit) => new("fail", what, cure, exit);
    }
}
