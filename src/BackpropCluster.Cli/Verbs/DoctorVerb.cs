using System.CommandLine;
using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using System.Runtime;
using BackpropCluster.Cli.CommandLine;
using BackpropCluster.Grains.Checkpoints;
using BackpropCluster.Grains.Clustering;
using BackpropCluster.Grains.Coordination;
using BackpropCluster.Grains.Data;
using BackpropCluster.Grains.Telemetry;

namespace BackpropCluster.Cli.Verbs;

/// <summary><c>doctor</c>: whether this machine can train, a line a thing, each with its cure.</summary>
internal static class DoctorVerb
{
    private static readonly TimeSpan SdkBound = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan EndpointBound = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan SiloBound = TimeSpan.FromSeconds(20);

    public static Command Create()
    {
        var directory = new Option<string>("--run-dir")
        {
            Description = "Where run folders would be made.",
            DefaultValueFactory = _ => "runs",
        };
        var (cluster, json) = (Options.Cluster(), Options.Json());
        var doctor = new Command("doctor", "Check what training needs from this machine") { cluster, directory, json };
        doctor.SetAction(
            async (parsed, cancellation) =>
            {
                Diagnosis[] findings =
                [
                    await Sdk(cancellation),
                    Processor(),
                    RunDirectory(parsed.GetValue(directory)!),
                    await Silo(cancellation),
                    .. parsed.GetValue(cluster) is { IsRedis: true } address
                        ? [await Store(address, cancellation)]
                        : Array.Empty<Diagnosis>(),
                    .. await Endpoints(cancellation),
                ];
                if (parsed.GetValue(json))
                    Output.Json(new { findings });
                else
                    foreach (var f in findings)
                        System.Console.Out.WriteLine(
                            $"{f.Verdict, -5} {f.What}{(f.Cure.Length > 0 ? $". {f.Cure}" : "")}"
                        );
                return findings.Select(f => f.Exit).FirstOrDefault(code => code != ExitCode.Done);
            }
        );
        return doctor;
    }

    private static async Task<Diagnosis> Sdk(CancellationToken cancellation)
    {
        try
        {
            using var process = Process.Start(
                new ProcessStartInfo("dotnet", "--version")
                {
                    RedirectStandardOutput = true,
                    RedirectStandardError = true,
                }
            )!;
            using var killed = cancellation.UnsafeRegister(_ => process.Kill(), null);
            var version = (
                await process.StandardOutput.ReadToEndAsync(cancellation).WaitAsync(SdkBound, cancellation)
            ).Trim();
            return version.StartsWith("10.", StringComparison.Ordinal)
                ? Diagnosis.Ok($".NET SDK {version}, runtime {Environment.Version}")
                : Diagnosis.Warn(
                    $".NET SDK {version}, runtime {Environment.Version}",
                    "Building from source needs the .NET 10 SDK"
                );
        }
        catch (Exception e) when (e is Win32Exception or TimeoutException)
        {
            return Diagnosis.Warn(
                $"no .NET SDK answers, runtime {Environment.Version}",
                "Building from source needs the .NET 10 SDK"
            );
        }
    }

    private static Diagnosis Processor()
    {
        var collector = GCSettings.IsServerGC ? "server garbage collection" : "workstation garbage collection";
        var bits = Core.Learning.Kernels.Current.Bits;
        return System.Runtime.Intrinsics.X86.Fma.IsSupported || System.Runtime.Intrinsics.Arm.AdvSimd.IsSupported
            ? Diagnosis.Ok(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"{Environment.ProcessorCount} processors, fused multiply-add over {bits} bits, {collector}"
                )
            )
            : Diagnosis.Warn(
                $"{Environment.ProcessorCount} processors without fused multiply-add, {collector}",
                "Results are the same, but training is many times slower"
            );
    }

    private static Diagnosis RunDirectory(string directory)
    {
        // The folder is made by the first run; here it is enough that it could be. The nearest one that exists decides.
        var existing = Path.GetFullPath(directory);
        while (!Directory.Exists(existing))
            existing = Path.GetDirectoryName(existing)!;
        try
        {
            using (
                File.Create(
                    Path.Combine(existing, $".backprop-doctor-{Environment.ProcessId}"),
                    1,
                    FileOptions.DeleteOnClose
                )
            ) { }

            return Diagnosis.Ok($"run folders can be written below {directory}");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return Diagnosis.Fail(
                $"run folders cannot be written below {directory}: {e.Message}",
                "Choose another --run-dir",
                ExitCode.File
            );
        }
    }

    private static async Task<Diagnosis> Silo(CancellationToken cancellation)
    {
        var start = Stopwatch.GetTimestamp();
        using var bound = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        bound.CancelAfter(SiloBound);
        try
        {
            await using var cluster = await EmbeddedCluster.Start(2, cancellation: bound.Token);
            return Diagnosis.Ok(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"two silos found each other over loopback in {Stopwatch.GetElapsedTime(start).TotalSeconds:0.0} s"
                )
            );
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            return NoSilos($"not within {SiloBound.TotalSeconds} s");
        }
        catch (Exception e) when (e is TimeoutException or PortTakenException or Orleans.Runtime.OrleansException)
        {
            return NoSilos(e.Message);
        }

        Diagnosis NoSilos(string why) =>
            Diagnosis.Fail(
                $"two silos did not start: {why}",
                "Something blocks TCP on 127.0.0.1; look at its firewall rules",
                ExitCode.ClusterLost
            );
    }

    private static async Task<Diagnosis> Store(ClusterAddress address, CancellationToken cancellation)
    {
        try
        {
            await using var store = await address.Connect(cancellation);
            await StoreFormat.RefuseAnother(address, store, "");
            return Diagnosis.Ok($"{address} answers");
        }
        // Both say what to do, too.
        catch (ClusterUnreachableException e)
        {
            return Diagnosis.Fail(
                e.Message.Replace(" Nothing was started.", "", StringComparison.Ordinal).TrimEnd('.'),
                "",
                ExitCode.ClusterLost
            );
        }
        catch (RecordFormatException e)
        {
            return Diagnosis.Fail(e.Message.TrimEnd('.'), "", ExitCode.File);
        }
    }

    // A run does not need a collector, so one that is away is no failure; a variable that holds no address ends every
    // command.
    private static async Task<Diagnosis[]> Endpoints(CancellationToken cancellation)
    {
        try
        {
            return await Task.WhenAll(
                TelemetryExport.Endpoints().Select(endpoint => Collector(endpoint, cancellation))
            );
        }
        catch (EndpointException e)
        {
            return [Diagnosis.Fail(e.Message.TrimEnd('.'), "Correct or unset it", ExitCode.Usage)];
        }
    }

    private static async Task<Diagnosis> Collector(Uri endpoint, CancellationToken cancellation)
    {
        var shown = $"{endpoint.Host}:{endpoint.Port}";
        try
        {
            using var client = new TcpClient();
            await client
                .ConnectAsync(endpoint.Host, endpoint.Port, cancellation)
                .AsTask()
                .WaitAsync(EndpointBound, cancellation);
            return Diagnosis.Ok($"the OTLP endpoint {shown} can be reached");
        }
        catch (Exception e) when (e is SocketException or TimeoutException)
        {
            return Diagnosis.Warn(
                $"the OTLP endpoint {shown} cannot be reached: {e.Message}",
                "Start the collector, or unset OTEL_EXPORTER_OTLP_ENDPOINT; runs go on without it"
            );
        }
    }

    private sealed record Diagnosis(
        string Verdict,
        string What,
        string Cure,
        [property: System.Text.Json.Serialization.JsonIgnore] int Exit
    )
    {
        public static Diagnosis Ok(string what) => new("ok", what, "", ExitCode.Done);

        public static Diagnosis Warn(string what, string cure) => new("warn", what, cure, ExitCode.Done);

        public static Diagnosis Fail(string what, string cure, int exit) => new("fail", what, cure, exit);
    }
}
