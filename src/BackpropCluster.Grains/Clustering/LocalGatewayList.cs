using Orleans.Messaging;
using Orleans.Runtime;

namespace BackpropCluster.Grains.Clustering;

/// <summary>Where a client finds the first silo of a cluster without a store, looked up again and again: one that is
/// started anew may listen elsewhere.</summary>
internal sealed class LocalGatewayList(int firstPort) : IGatewayListProvider
{
    public TimeSpan MaxStaleness { get; } = TimeSpan.FromSeconds(2);

    public bool IsUpdatable => true;

    public Task InitializeGatewayListProvider() => Task.CompletedTask;

    public Task<IList<Uri>> GetGateways() =>
        Task.FromResult<IList<Uri>>(
            LocalGateway.Of(firstPort) is { } gateway ? [SiloAddress.New(gateway, 0).ToGatewayUri()] : []
        );
}
