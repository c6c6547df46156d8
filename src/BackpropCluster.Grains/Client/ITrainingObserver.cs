using BackpropCluster.Core.Protocol;

namespace BackpropCluster.Grains.Client;

/// <summary>Hears what actors computed in traced steps, on the silo where they run. Called from many threads; must not
/// block.</summary>
public interface ITrainingObserver
{
    void Observe(Observation observation);
}

/// <summary>Hears nothing.</summary>
internal sealed class NoObserver : ITrainingObserver
{
    public void Observe(Observation observation) { }
}
