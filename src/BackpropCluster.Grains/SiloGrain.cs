using System.Collections.Immutable;
using BackpropCluster.Core.Data;
using BackpropCluster.Core.Protocol;
using Orleans.Concurrency;
using Orleans.Runtime;

namespace BackpropCluster.Grains;

[OnSilo, Reentrant]
internal sealed class SiloGrain(ILocalSiloDetails local, RelayShells relays, DataCatalog data) : Grain, ISiloGrain
{
    public async ValueTask<string?> Check(RunPlan plan)
    {
        // Built-in data are the same wherever the program is.
        if (plan.DataSha256.Length == 0) return null;
        try
        {
            var found = await Task.Run(() => data.Sha256(plan.Spec.Data));
            return found == plan.DataSha256 ? null : $"silo {local.Name} has other data: its files hash to {found[..12]}…, the run's to {plan.DataSha256[..12]}…";
        }
        catch (DataException e)
        {
            return $"silo {local.Name}: {e.Message.TrimEnd('.')}";
        }
    }

    public ValueTask<SiloDescription> Describe() => new(new SiloDescription(
        local.Name, local.SiloAddress.ToParsableString(), relays.Parts.ToImmutableDictionary(), Environment.WorkingSet));
}
