using BackpropCluster.Core.Protocol;

namespace BackpropCluster.Grains;

/// <summary>Who stands where in one term of a run, seen from one silo. All its parts share one: references to every slice, held by every
/// neuron, would take a hundred times what the neuron itself does.</summary>
internal sealed class Routes
{
    public Routes(IGrainFactory grains, RunPlan plan, Placement placement, string silo)
    {
        (Plan, Placement) = (plan, placement);
        Layers = [.. Enumerable.Range(1, plan.Depth).Select(layer =>
            plan.SlicesOf(layer).Select(slice => grains.GetGrain<ISliceGrain>(PartKeys.Slice(plan.Run, slice))).ToArray())];
        RemoteOfLayer = [.. Enumerable.Range(1, plan.Depth).Select(layer =>
            plan.SlicesOf(layer).Count(slice => placement.SiloOf(plan.OrdinalOf(PartId.Slice(layer, slice.Index))) != silo))];
        CoordinatorIsLocal = placement.CoordinatorSilo == silo;
        SourceIsLocal = placement.SiloOf(plan.OrdinalOf(PartId.Source)) == silo;
        LossIsLocal = placement.SiloOf(plan.OrdinalOf(PartId.Loss)) == silo;
    }

    public RunPlan Plan { get; }

    public Placement Placement { get; }

    public ISliceGrain[][] Layers { get; }

    /// <summary>How many slices of each layer stand on other silos.</summary>
    public int[] RemoteOfLayer { get; }

    public bool CoordinatorIsLocal { get; }

    public bool SourceIsLocal { get; }

    public bool LossIsLocal { get; }
}
