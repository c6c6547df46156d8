using BackpropCluster.Grains.Checkpoints;
using Orleans.Runtime;
using Orleans.Storage;

namespace BackpropCluster.Grains.Clustering;

/// <summary>The store of a cluster as a client sees it: by way of any silo, to read only.</summary>
/// <remarks>So a client needs no way to the store itself, and a cluster without one shows its folder in the same
/// way.</remarks>
internal sealed class ClusterRecords(ClusterClient cluster) : IGrainStorage
{
    private const int BytesInPiece = 8 << 20;

    public async Task ReadStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState)
    {
        var bytes = await Read(grainId.Key.ToString()!);
        (grainState.State, grainState.RecordExists) = (StoredBytes.As<T>(bytes ?? []), bytes is not null);
    }

    public Task WriteStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState) =>
        throw new NotSupportedException("a client writes no record");

    public Task ClearStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState) =>
        throw new NotSupportedException("a client clears no record");

    // One that is replaced between two pieces is as good as broken, and its seal says so.
    private async Task<byte[]?> Read(string name)
    {
        if (await cluster.Record(name, 0, BytesInPiece) is not { } piece)
            return null;
        if (piece.Bytes.Length == piece.Length)
            return piece.Bytes;
        var all = new byte[piece.Length];
        piece.Bytes.CopyTo(all, 0);
        for (var first = piece.Bytes.Length; first < all.Length; first += piece.Bytes.Length)
        {
            piece = await cluster.Record(name, first, BytesInPiece);
            if (piece is null || piece.Bytes.Length == 0 || first + piece.Bytes.Length > all.Length)
                break;
            piece.Bytes.CopyTo(all, first);
        }

        return all;
    }
}
