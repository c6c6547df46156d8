using BackpropCluster.Core.Learning;

namespace BackpropCluster.Tests.Learning;

public class WeightsHashTests
{
    private static readonly double[][] Layers =
    [
        [1.5, -2.0, 0.1, -0.0],
        [double.Epsilon, 1e300],
        [0.25, 2.2250738585072014e-308],
        [3.0],
    ];

    // Python: hashlib.sha256(struct.pack('<9d', 1.5, -2.0, 0.1, -0.0, 5e-324, 1e300, 0.25, 2.0**-1022,
    // 3.0)).hexdigest()
    [Fact]
    public void IsTheSha256OfTheLittleEndianDoublesLayerByLayer() =>
        Assert.Equal("3cedcfa42ac5a8a91084571b1c9ef3af826199b5889e0b3b1c61717240db2036", Hash(Layers));

    [Fact]
    public void TheSignOfAZeroIsPartOfIt() =>
        Assert.NotEqual(
            Hash(Layers),
            Hash([
                [1.5, -2.0, 0.1, 0.0],
                .. Layers[1..],
            ])
        );

    [Fact]
    public void OneBitOfOneWeightChangesIt() =>
        Assert.NotEqual(
            Hash(Layers),
            Hash([
                [Math.BitIncrement(1.5), .. Layers[0][1..]],
                .. Layers[1..],
            ])
        );

    // W of 5 × 4, cut into rows as its owners hold it and into columns as the layer below does.
    [Fact]
    public void TheOrderFreeSumIsTheSameHoweverTheMatrixIsCut()
    {
        var w = Matrix();
        var whole = WeightsHash.CommutativeChecksum(w, 4, 4, 0, 0);
        var rows =
            WeightsHash.CommutativeChecksum(w.AsSpan(8), 4, 4, 2, 0)
            + WeightsHash.CommutativeChecksum(w.AsSpan(0, 8), 4, 4, 0, 0);
        var left = WeightsHash.CommutativeChecksum(Columns(w, 0, 3), 3, 4, 0, 0);
        var right = WeightsHash.CommutativeChecksum(Columns(w, 3, 1), 1, 4, 0, 3);
        Assert.Equal(whole, rows);
        Assert.Equal(whole, left + right);
    }

    [Fact]
    public void TwoWeightsThatChangedPlacesChangeTheOrderFreeSum()
    {
        var (w, swapped) = (Matrix(), Matrix());
        (swapped[3], swapped[4]) = (swapped[4], swapped[3]);
        Assert.NotEqual(
            WeightsHash.CommutativeChecksum(w, 4, 4, 0, 0),
            WeightsHash.CommutativeChecksum(swapped, 4, 4, 0, 0)
        );
    }

    private static string Hash(double[][] arrays) =>
        WeightsHash.Sha256([(arrays[0], arrays[1]), (arrays[2], arrays[3])]);

    private static double[] Matrix() => [.. Enumerable.Range(0, 20).Select(k => 1.0 / (k + 3))];

    private static double[] Columns(double[] w, int first, int count) =>
        [.. Enumerable.Range(0, 5).SelectMany(row => w[(row * 4 + first)..(row * 4 + first + count)])];
}
