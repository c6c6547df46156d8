using System.Globalization;
using System.IO;
using System.IO.Compression;
using BackpropCluster.Core.Learning;

namespace BackpropCluster.Core.Data;

/// <summary>The data that come with the program (Data/BuiltIn/SOURCES.md says from where).</summary>
public static class BuiltInData
{
    public static Table Read(DataSource source) =>
        source switch
        {
            DataSource.Mazur => Table.OfTargets(2, [0.05, 0.10], 2, [0.01, 0.99]),
            DataSource.Xor => Table.OfClasses(2, [0, 0, 0, 1, 1, 0, 1, 1], [0, 1, 1, 0], 2),
            DataSource.Iris => ReadRows("iris.csv", headerLines: 1, features: 4, classes: 3),
            DataSource.Digits => ReadRows("digits.csv.gz", headerLines: 0, features: 64, classes: 10),
            DataSource.Spiral => Spiral(),
            _ => throw new ArgumentOutOfRangeException(nameof(source), source, null),
        };

    // Arm c, point i of n: radius r = (i + 1)/n, angle 2r + 2c/3 + normal noise of 0.03, in half-turns; x = r·cos, y =
    // r·sin. By address and by our own sine, so every machine makes the same points; the seed is the data's own, or a
    // run's seed would change its data.
    private static Table Spiral()
    {
        const int Arms = 3;
        const int Points = 100;
        var random = new CounterRandom(1, RandomPurpose.Data, 0);
        var inputs = new double[2 * Arms * Points];
        for (var k = 0; k < Arms * Points; k++)
        {
            var radius = (k % Points + 1.0) / Points;
            var angle = 2 * radius + 2.0 * (k / Points) / Arms + 0.03 * random.Normal((ulong)k);
            (inputs[2 * k], inputs[2 * k + 1]) = (
                radius * PortableMath.CosPi(angle),
                radius * PortableMath.SinPi(angle)
            );
        }

        return Table.OfClasses(2, inputs, [.. Enumerable.Range(0, Arms * Points).Select(k => k / Points)], Arms);
    }

    // Only our own two files come through here, so a plain split is enough; a malformed one is a broken build.
    private static Table ReadRows(string name, int headerLines, int features, int classes)
    {
        using var resource =
            typeof(BuiltInData).Assembly.GetManifestResourceStream(name)
            ?? throw new InvalidOperationException(
                $"{name} is not embedded in {typeof(BuiltInData).Assembly.GetName().Name}"
            );
        using var unpacked = name.EndsWith(".gz", StringComparison.Ordinal)
            ? new GZipStream(resource, CompressionMode.Decompress)
            : resource;
        using var text = new StreamReader(unpacked);
        var inputs = new List<double>();
        var labels = new List<int>();
        for (var line = 1; text.ReadLine() is { } row; line++)
        {
            if (line <= headerLines || row.Length == 0)
                continue;
            var fields = row.Split(',');
            if (fields.Length != features + 1)
                throw new InvalidOperationException($"{name}:{line}: {fields.Length} fields, expected {features + 1}");
            for (var i = 0; i < features; i++)
                inputs.Add(double.Parse(fields[i], CultureInfo.InvariantCulture));
            labels.Add(int.Parse(fields[features], CultureInfo.InvariantCulture));
        }

        return Table.OfClasses(features, [.. inputs], [.. labels], classes);
    }
}
