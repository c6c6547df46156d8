using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using BackpropCluster.Cli.CommandLine;
using BackpropCluster.Core.Learning;
using BackpropCluster.Core.Learning.Vectors;
using Spectre.Console;

namespace BackpropCluster.Cli.Verbs;

/// <summary><c>bench kernel</c>: products beside what a core could do at most, measured in the same run, and beside
/// OpenBLAS where numpy is.</summary>
internal static class KernelBench
{
    // The best of many short turns: what a neighbour on the machine took away is not the kernel's.
    private const int Turns = 60;
    private const double TurnFlops = 2e8;

    // y = W·x of a layer: units × inputs, rows of a batch. Fashion-MNIST's two layers, then those of the examples.
    private static readonly (string Of, int Units, int Inputs, int Rows)[] Layers =
    [
        ("Fashion-MNIST 784-256-10", 256, 784, 128),
        ("Fashion-MNIST 784-256-10", 10, 256, 128),
        ("digits", 32, 64, 32),
        ("digits", 10, 32, 32),
        ("spiral", 16, 24, 16),
        ("iris", 8, 4, 10),
        ("xor", 4, 2, 4),
        ("mazur", 2, 2, 1),
    ];

    public static int Run(bool json)
    {
        var hasFma = Kernels.Supported[0].Bits > 64;
        var rows = new List<Row>();
        foreach (var kernels in Kernels.Supported.Where(kernels => kernels.Bits > 64 == hasFma))
        {
            var peak = Peak(kernels);
            rows.AddRange(
                Products()
                    .Select(product => new Row(
                        product.Name,
                        Best(product.Flops, () => product.Compute(kernels)),
                        peak,
                        InstructionSet(kernels.Bits)
                    ))
            );
        }

        if (OpenBlas(Products().Select(product => product.Shape)) is { } rates)
            rows = [.. rows.Select((row, i) => row with { OpenBlas = rates[i % rates.Length] })];
        else
            Output.Diagnostics.WriteLine("OpenBLAS was not measured: no python3 with numpy was found.");
        if (json)
            Output.Json(
                new
                {
                    rows = rows.Select(row => new
                    {
                        name = row.Name,
                        gflops = row.Gflops,
                        peakGflops = row.Peak,
                        ratio = row.Gflops / row.Peak,
                        instructionSet = row.InstructionSet,
                        openBlasGflops = row.OpenBlas,
                    }),
                }
            );
        else
            foreach (var row in rows)
                System.Console.Out.WriteLine(row.ToString());
        return ExitCode.Done;
    }

    private static string InstructionSet(int bits) =>
        bits switch
        {
            512 => "AVX-512",
            256 => "AVX2",
            128 when System.Runtime.Intrinsics.Arm.AdvSimd.IsSupported => "AdvSimd",
            128 => "FMA, 128 bits",
            _ => "emulated",
        };

    private static double Peak(VectorKernels kernels)
    {
        const int Rounds = 100_000;
        return Best(2.0 * kernels.MultiplyAdds(Rounds), () => kernels.MultiplyAdds(Rounds));
    }

    /// <summary>Of each layer what goes forward, what goes back and the gradients.</summary>
    private static IEnumerable<Measured> Products()
    {
        foreach (var (of, units, inputs, batch) in Layers)
        {
            double[] w = Numbers(units * inputs),
                x = Numbers(inputs * batch),
                delta = Numbers(units * batch),
                b = Numbers(units);
            double[] z = new double[units * batch],
                s = new double[inputs * batch],
                gradients = new double[units * inputs];
            var flops = 2.0 * units * inputs * batch;
            string Name(string product) =>
                string.Create(CultureInfo.InvariantCulture, $"{of}, {product} ({units} × {inputs}, {batch} rows)");
            yield return new(
                Name("W·x"),
                flops,
                (units, inputs, batch, "nn"),
                kernels => kernels.Product(w, inputs, 1, x, b, z, units, inputs, batch)
            );
            yield return new(
                Name("Wᵀ·δ"),
                flops,
                (inputs, units, batch, "tn"),
                kernels => kernels.Product(w, 1, inputs, delta, [], s, inputs, units, batch)
            );
            yield return new(
                Name("δ·xᵀ"),
                flops,
                (units, batch, inputs, "nt"),
                kernels => kernels.ProductOfTransposed(delta, x, gradients, units, batch, inputs)
            );
        }
    }

    private static double[] Numbers(int count) => [.. Enumerable.Range(0, count).Select(i => (i % 97 - 48) / 97.0)];

    private static double Best(double flops, Action act)
    {
        var calls = (int)Math.Clamp(TurnFlops / 20 / flops, 1, 20_000);
        var best = double.PositiveInfinity;
        for (var turn = 0; turn < Turns; turn++)
        {
            var start = Stopwatch.GetTimestamp();
            for (var call = 0; call < calls; call++)
                act();
            best = Math.Min(best, Stopwatch.GetElapsedTime(start).TotalNanoseconds / calls);
        }

        return flops / best;
    }

    /// <summary>GFLOP/s of numpy's product on one thread; nothing where there is no numpy.</summary>
    private static double[]? OpenBlas(IEnumerable<(int M, int K, int N, string Turned)> shapes)
    {
        var script = $$"""
            import time, numpy as np
            for m, k, n, turned in [{{string.Join(
                ", ",
                shapes.Select(s => string.Create(CultureInfo.InvariantCulture, $"({s.M}, {s.K}, {s.N}, '{s.Turned}')"))
            )}}]:
                a = np.ones((k, m)).T if turned == 'tn' else np.ones((m, k))
                b = np.ones((n, k)).T if turned == 'nt' else np.ones((k, n))
                c, flops, best = np.empty((m, n)), 2.0 * m * k * n, 1e9
                calls = int(min(max({{TurnFlops.ToString(CultureInfo.InvariantCulture)}} / 20 / flops, 1), 2000))
                for _ in range({{Turns}}):
                    start = time.perf_counter_ns()
                    for _ in range(calls): np.matmul(a, b, out=c)
                    best = min(best, (time.perf_counter_ns() - start) / calls)
                print(flops / best)
            """;
        foreach (var python in (string[])["python3", "/usr/bin/python3"])
            try
            {
                var start = new ProcessStartInfo(python, ["-c", script])
                {
                    RedirectStandardOutput = true,
                    RedirectStandardError = true,
                };
                start.Environment["OPENBLAS_NUM_THREADS"] = "1";
                using var process = Process.Start(start)!;
                // Read beside the output, or a python that says much would fill its pipe and wait for ever; done when
                // the process has ended.
                var errors = process.StandardError.ReadToEndAsync();
                var lines = process.StandardOutput.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries);
                process.WaitForExit();
                errors.GetAwaiter().GetResult();
                if (process.ExitCode == 0)
                    return [.. lines.Select(line => double.Parse(line, CultureInfo.InvariantCulture))];
            }
            catch (Win32Exception)
            {
                // No such program; the next may be there.
            }

        return null;
    }

    private sealed record Measured(
        string Name,
        double Flops,
        (int M, int K, int N, string Turned) Shape,
        Action<VectorKernels> Compute
    );

    private sealed record Row(string Name, double Gflops, double Peak, string InstructionSet, double? OpenBlas = null)
    {
        public override string ToString() =>
            string.Create(
                CultureInfo.InvariantCulture,
                $"{InstructionSet, -13} {Name, -58} {Gflops, 6:0.0} GFLOP/s, {Gflops / Peak:0.00} of the peak "
                    + $"{Peak:0.0}{(OpenBlas is { } rate ? $"; OpenBLAS {rate:0.0}" : "")}"
            );
    }
}
